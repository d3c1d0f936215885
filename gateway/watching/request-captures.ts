import type { ServingSpec } from '../../contracts/artifacts.js';
import { bucketCount, bucketOf } from '../../domain/routing.js';
import type { Predicted, Prepared, ServingPlan } from '../plans/serving-plan.js';
import type { ObservedBody } from './capture-lines.js';
import { captureLine } from './capture-lines.js';
import type { CaptureSpool } from './capture-spool.js';
import type { Redactor } from './redaction.js';
import { remadeInput, remadeOutput } from './remade-body.js';

/** A request that a version has answered. */
export type AnsweredCall = {
  readonly version: { readonly model: string; readonly version: string; readonly spec: ServingSpec; readonly plan: ServingPlan };
  /** The part of the version in the route: the folder of its files. */
  readonly variant: string;
  /** Ids of the predictions, one a row. */
  readonly ids: readonly string[];
  /** Whether the caller has chosen the id. */
  readonly namedByCaller: boolean;
  readonly prepared: Prepared;
  readonly predicted: Predicted;
  /** When it arrived, epoch milliseconds. */
  readonly atMs: number;
  readonly redactor: Redactor | null;
  /** The bodies as they were on the wire; where one is not known, it is made anew from what it said. */
  readonly input: ObservedBody | null;
  readonly output: ObservedBody | null;
};

/**
 * Requests and answers in SageMaker's data-capture format, `<model>/<variant>/yyyy/mm/dd/hh/….jsonl`, for the versions whose
 * definition wants that. Of one request either every version that answers it is captured or none: the share goes by its id.
 */
export class RequestCaptures {
  readonly #spool: Pick<CaptureSpool, 'admits' | 'add'>;
  #hour = Number.NaN;
  #hourFolder = '';

  constructor(spool: Pick<CaptureSpool, 'admits' | 'add'>) {
    this.#spool = spool;
  }

  /** Takes a request, when its version's definition says so. Never throws for a full disk or a slow store. */
  take(call: AnsweredCall): void {
    const { version, ids, prepared, predicted, redactor } = call;
    const wanted = version.spec.capture?.sagemaker;
    if (wanted === undefined) return;
    // With several rows their ids are `id-0`, `id-1` and so on.
    const eventId = ids.length === 1 ? ids[0]! : ids[0]!.slice(0, -2);
    if (wanted.percent < 100 && bucketOf('capture', eventId) >= (wanted.percent / 100) * bucketCount) return;
    if (!this.#spool.admits()) return;
    // A model with rules never shows a body as it came: it may hold what the rules hide, in places that they do not name.
    const input = redactor === null ? call.input : null;
    const output = redactor === null ? call.output : null;
    const line = captureLine({
      input: wanted.input ? (input ?? remadeInput(version.plan, prepared, redactor)) : null,
      output: wanted.output ? (output ?? remadeOutput(predicted.outputs)) : null,
      eventId,
      inferenceId: call.namedByCaller ? eventId : null,
      attributes: [`model_version=${version.version}`],
      atMs: call.atMs,
    });
    this.#spool.add(`${version.model}/${call.variant}/${this.#folderOf(call.atMs)}`, line);
  }

  #folderOf(atMs: number): string {
    const hour = Math.floor(atMs / 3_600_000);
    if (hour !== this.#hour) {
      this.#hour = hour;
      this.#hourFolder = new Date(atMs).toISOString().slice(0, 13).replaceAll('-', '/').replace('T', '/');
    }
    return this.#hourFolder;
  }
}
