import { bucketCount, bucketOf } from '../../domain/routing.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { Predicted, Prepared } from '../plans/serving-plan.js';
import { roleOf, type ModelTable } from '../routing/routing-table.js';
import type { ObservedBody } from './capture-lines.js';
import { captureLine } from './capture-lines.js';
import type { CaptureSpool } from './capture-spool.js';
import type { Redactors } from './redactors.js';
import { remadeInput, remadeOutput } from './remade-body.js';

/** A request that a version has answered. */
export type AnsweredCall = {
  readonly table: ModelTable;
  readonly version: HostedVersion;
  readonly request: InferRequest;
  /** Ids of the predictions, one a row. */
  readonly ids: readonly string[];
  readonly prepared: Prepared;
  readonly predicted: Predicted;
  /** When it arrived, epoch milliseconds. */
  readonly atMs: number;
  /** The bodies as they were on the wire; where one is not known, it is made anew from what it said. */
  readonly input: ObservedBody | undefined;
  readonly output: ObservedBody | undefined;
};

/** The line of a larger request would hold up others while it is made. */
const largestBytes = 1024 * 1024;

/**
 * Requests and answers in SageMaker's data-capture format, `<model>/<variant>/yyyy/mm/dd/hh/….jsonl`, for the versions whose
 * definition wants that. Of one request either every version that answers it is captured or none: the share goes by its id.
 */
export class RequestCaptures {
  readonly #spool: CaptureSpool | null;
  readonly #redactors: Redactors;
  /** Requests that were not captured for their size. */
  tooLarge = 0;
  #hour = Number.NaN;
  #hourFolder = '';

  /** @param spool null where there is no place for files: then nothing is captured */
  constructor(spool: CaptureSpool | null, redactors: Redactors) {
    this.#spool = spool;
    this.#redactors = redactors;
  }

  /** Takes a request, when its version's definition says so. Never throws for a full disk or a slow store. */
  take(call: AnsweredCall): void {
    const { table, version, request, ids, prepared, predicted } = call;
    const wanted = version.spec.capture?.sagemaker;
    if (wanted === undefined || this.#spool === null) return;
    // With several rows their ids are `id-0`, `id-1` and so on.
    const eventId = ids.length === 1 ? ids[0]! : ids[0]!.slice(0, -2);
    if (wanted.percent < 100 && bucketOf('capture', eventId) >= (wanted.percent / 100) * bucketCount) return;
    if (!this.#spool.admits()) return;
    // A model with rules never shows a body as it came: it may hold what the rules hide, in places that they do not name.
    const redactor = this.#redactors.of(table);
    const [input, output] = redactor === null ? [call.input, call.output] : [];
    const inputBytes = wanted.input ? (input?.body.length ?? textSize(Object.values(prepared.feeds))) : 0;
    const outputBytes = wanted.output ? (output?.body.length ?? textSize(predicted.outputs)) : 0;
    if (inputBytes + outputBytes > largestBytes) {
      this.tooLarge++;
      return;
    }
    const line = captureLine({
      input: wanted.input ? (input ?? remadeInput(version.plan, prepared, redactor)) : null,
      output: wanted.output ? (output ?? remadeOutput(predicted.outputs)) : null,
      eventId,
      inferenceId: request.parameters['prediction_id'] === undefined ? null : eventId,
      attributes: [`model_version=${version.version}`],
      atMs: call.atMs,
    });
    this.#spool.add(`${version.model}/${roleOf(table, version.version)}/${this.#folderOf(call.atMs)}`, line);
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

/** What tensors take as text, near enough. */
function textSize(tensors: readonly { readonly data: ArrayLike<unknown> }[]): number {
  let elements = 0;
  for (const { data } of tensors) elements += data.length;
  return elements * 8;
}
