import type { OutcomeStore } from '../../activities/ports.js';
import type { GrowingOutcomeHistory, Outcome } from '../../domain/outcome-history.js';
import { outcomeHistory } from '../../domain/outcome-history.js';

type ModelOutcomes = {
  readonly history: GrowingOutcomeHistory;
  readonly values: Map<number, number>;
  change: number;
  loading: Promise<void> | undefined;
};

/**
 * The stored outcomes of each served model in memory, for lags and rolling means. It follows the store's changes, and
 * answers from what it has while the store is away.
 */
export class OutcomeCache {
  readonly #store: OutcomeStore;
  readonly #models = new Map<string, ModelOutcomes>();

  constructor(store: OutcomeStore) {
    this.#store = store;
  }

  /** The past of a model; empty until `refresh` has read it. The same object as it grows. */
  history(model: string): GrowingOutcomeHistory {
    return this.#of(model).history;
  }

  /** Reads what changed since the last time. Calls at once share one read that began after the latest of them. */
  async refresh(model: string): Promise<void> {
    const outcomes = this.#of(model);
    // A read under way may have begun before the change that the caller knows of, so another one follows it.
    if (outcomes.loading !== undefined) await outcomes.loading.catch(() => undefined);
    outcomes.loading ??= this.#read(model, outcomes).finally(() => (outcomes.loading = undefined));
    await outcomes.loading;
  }

  /** Takes outcomes that were kept on disk, for a start without the store; the next refresh reads all of them anew. */
  restore(model: string, outcomes: readonly Outcome[]): void {
    this.#append(this.#of(model), outcomes);
  }

  /** Outcomes not older than `lookbackMs` before the last one, sorted: what serving needs after a start without the store. */
  recent(model: string, lookbackMs: number): Outcome[] {
    const { history, values } = this.#of(model);
    const fromMs = (history.lastMs ?? 0) - lookbackMs;
    const recent: Outcome[] = [];
    for (const [timeMs, value] of values) if (timeMs >= fromMs) recent.push({ timeMs, value });
    return recent.sort((a, b) => a.timeMs - b.timeMs);
  }

  /** Number of the last change that was read. */
  change(model: string): number {
    return this.#of(model).change;
  }

  /** Forgets models that are not served any more. */
  keep(models: ReadonlySet<string>): void {
    for (const model of this.#models.keys()) if (!models.has(model)) this.#models.delete(model);
  }

  #of(model: string): ModelOutcomes {
    let outcomes = this.#models.get(model);
    if (outcomes === undefined)
      this.#models.set(model, (outcomes = { history: outcomeHistory(), values: new Map(), change: 0, loading: undefined }));
    return outcomes;
  }

  async #read(model: string, into: ModelOutcomes): Promise<void> {
    const { outcomes, change } = await this.#store.since(model, into.change);
    this.#append(
      into,
      outcomes.sort((a, b) => a.timeMs - b.timeMs),
    );
    into.change = change;
  }

  #append(into: ModelOutcomes, outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      into.history.append(outcome);
      into.values.set(outcome.timeMs, outcome.value);
    }
  }
}
