import type { Capture, CaptureStore, OutcomeStore, Route, RouteSource, ServableVersion } from '../../../activities/ports.js';
import { PerennialError } from '../../../domain/errors.js';

type Ack = Parameters<RouteSource['acknowledge']>[0];

/** A registry in memory for tests whose point is not Postgres. `away` makes every call fail as Postgres does when it is stopped. */
export class MemoryRegistry {
  readonly #routes = new Map<string, Route>();
  readonly #servables = new Map<string, ServableVersion>();
  readonly #listeners = new Set<() => void>();
  readonly #outcomes = new Map<string, { timeMs: number; value: number; change: number }[]>();
  readonly #labels = new Map<string, number>();
  #change = 0;
  away = false;
  readonly stored: Capture[] = [];
  readonly acks: Ack[] = [];
  readonly leases = new Map<string, string>();

  setRoute(route: Omit<Route, 'generation' | 'salt' | 'shadow' | 'standby'> & Partial<Route>): Route {
    const generation = (this.#routes.get(route.model)?.generation ?? 0) + 1;
    const whole: Route = { shadow: null, standby: [], salt: 'salt', ...route, generation };
    this.#routes.set(route.model, whole);
    for (const listener of this.#listeners) listener();
    return whole;
  }

  removeRoute(model: string): void {
    this.#routes.delete(model);
    for (const listener of this.#listeners) listener();
  }

  register(servable: ServableVersion): void {
    this.#servables.set(`${servable.model} ${servable.version}`, servable);
  }

  /** Resolves when a gateway has acknowledged this generation. */
  async acknowledged(route: Route): Promise<Ack> {
    for (;;) {
      const ack = this.acks.find(({ model, generation }) => model === route.model && generation === route.generation);
      if (ack !== undefined) return ack;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  addOutcomes(model: string, outcomes: readonly { timeMs: number; value: number }[]): void {
    const rows = this.#outcomes.get(model) ?? [];
    for (const outcome of outcomes) rows.push({ ...outcome, change: ++this.#change });
    this.#outcomes.set(model, rows);
  }

  readonly routes: RouteSource = {
    routes: async () => this.#here(() => [...this.#routes.values()]),
    version: async (model, version) =>
      this.#here(() => {
        const servable = this.#servables.get(`${model} ${version}`);
        if (servable === undefined) throw new PerennialError('ArtifactRejected', `there is no version ${version} of ${model}`);
        return servable;
      }),
    follow: async (onChange) =>
      this.#here(() => {
        this.#listeners.add(onChange);
        const poll = setInterval(onChange, 100);
        return {
          close: async () => {
            clearInterval(poll);
            this.#listeners.delete(onChange);
          },
        };
      }),
    renewLease: async ({ id, url }) => this.#here(() => void this.leases.set(id, url)),
    dropLease: async (id) => this.#here(() => void this.leases.delete(id)),
    acknowledge: async (ack) => this.#here(() => void this.acks.push(ack)),
  };

  readonly captures: CaptureStore = {
    write: async (captures) => this.#here(() => void this.stored.push(...captures)),
    label: async (model, labels) =>
      this.#here(() => {
        const refused: { index: number; reason: string }[] = [];
        labels.forEach(({ id, subject, value }, index) => {
          const capture = this.stored.find(
            (stored) => stored.model === model && (id === undefined ? stored.subject === subject : stored.id === id),
          );
          if (capture === undefined) return refused.push({ index, reason: 'no such prediction' });
          const first = this.#labels.get(`${model} ${capture.subject}`);
          if (first !== undefined && first !== value) return refused.push({ index, reason: `it is labelled ${first} already` });
          this.#labels.set(`${model} ${capture.subject}`, value);
          this.addOutcomes(model, [{ timeMs: capture.eventTimeMs, value }]);
        });
        return { stored: labels.length - refused.length, refused };
      }),
  };

  readonly outcomes: OutcomeStore = {
    upsert: async (model, outcomes) => this.#here(() => this.addOutcomes(model, outcomes)),
    range: async (model, fromMs, toMs) =>
      this.#here(() => (this.#outcomes.get(model) ?? []).filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs)),
    since: async (model, change) =>
      this.#here(() => ({ outcomes: (this.#outcomes.get(model) ?? []).filter((row) => row.change > change), change: this.#change })),
  };

  #here<T>(answer: () => T): T {
    if (this.away) throw new PerennialError('Unavailable', 'Postgres did not answer');
    return answer();
  }
}
