import { PerennialError } from '../../domain/errors.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import type { ModelTable } from '../routing/routing-table.js';
import { createRedactor, sharedRules, type Redactor } from './redaction.js';

/** The redactors of the models whose definitions ask for one. */
export class Redactors {
  readonly #secret: string | null;
  readonly #redactors = new WeakMap<ModelTable, Redactor | null>();
  #lastTable: ModelTable | undefined;
  #last: Redactor | null = null;

  /** @param secret the installation's, for hashes; null where there is none: then no version with rules is served */
  constructor(secret: string | null) {
    this.#secret = secret;
  }

  /** What redacts everything captured of a model; null when no version of it has rules. */
  of(table: ModelTable): Redactor | null {
    // Most requests are for the model that the one before was for.
    if (table === this.#lastTable) return this.#last;
    let redactor = this.#redactors.get(table);
    if (redactor === undefined) {
      const rules = sharedRules([...table.versions.values()].map(({ spec }) => spec));
      redactor = rules === null || this.#secret === null ? null : createRedactor(rules, this.#secret);
      this.#redactors.set(table, redactor);
    }
    this.#lastTable = table;
    this.#last = redactor;
    return redactor;
  }

  /** Refuses (`ArtifactRejected`) a version whose rules name what its requests do not have, or that could not be followed here. */
  check(spec: ServingSpec, plan: Pick<ServingPlan, 'inputs'>): void {
    const rules = spec.capture?.redact ?? [];
    const names = plan.inputs.map(({ name }) => name);
    const unknown = rules.find(({ field }) => !names.includes(field));
    if (unknown !== undefined)
      throw new PerennialError(
        'ArtifactRejected',
        `serving.json of ${spec.model} redacts ${unknown.field}, which its requests do not have (they have ${names.join(', ')}); package the model again`,
      );
    if (rules.length > 0 && this.#secret === null)
      throw new PerennialError(
        'ArtifactRejected',
        `${spec.model} asks for redacted captures, and this gateway has no secret to hash with; give it one when it is made`,
      );
  }
}
