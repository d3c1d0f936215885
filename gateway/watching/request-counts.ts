import type { Exposition } from './exposition.js';

export type Protocol = 'http' | 'grpc';

/** Models that are not served any more, but whose counts are still told. */
const maxForgotten = 200;

/** Requests of one model, or of none, by protocol, endpoint and status. */
export class EndpointCounts {
  readonly #counts: Readonly<Record<Protocol, Map<string, Map<number | string, number>>>> = { http: new Map(), grpc: new Map() };

  /** `status` is the number of HTTP, or the name of a gRPC code. */
  count(protocol: Protocol, endpoint: string, status: number | string): void {
    const endpoints = this.#counts[protocol];
    let statuses = endpoints.get(endpoint);
    if (statuses === undefined) endpoints.set(endpoint, (statuses = new Map()));
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  write(text: Exposition, model: string | null): void {
    const labels = model === null ? {} : { model_name: model };
    for (const protocol of ['http', 'grpc'] as const)
      for (const [endpoint, statuses] of this.#counts[protocol])
        for (const [status, count] of statuses) text.add({ protocol, endpoint, status: String(status), ...labels }, count);
  }
}

/**
 * Requests by protocol, endpoint, status and model. Endpoints are the gateway's own words for what a request is for, and
 * models those that it serves, never a path or a name that a caller made up: nobody can make series.
 */
export class RequestCounts {
  readonly #serves: (model: string) => boolean;
  readonly #ofNone = new EndpointCounts();
  readonly #models = new Map<string, EndpointCounts>();

  constructor(serves: (model: string) => boolean) {
    this.#serves = serves;
  }

  /** Where a request for this model counts: with those for no model when it is null or not served. */
  of(model: string | null): EndpointCounts {
    if (model === null) return this.#ofNone;
    const known = this.#models.get(model);
    if (known !== undefined) return known;
    if (!this.#serves(model)) return this.#ofNone;
    this.#forget();
    const counts = new EndpointCounts();
    this.#models.set(model, counts);
    return counts;
  }

  write(text: Exposition): void {
    text.family('gateway_requests_total', 'counter', 'Requests by what they were for, how they ended, and the model that they named');
    this.#ofNone.write(text, null);
    for (const [model, counts] of this.#models) counts.write(text, model);
  }

  #forget(): void {
    const gone = [...this.#models.keys()].filter((model) => !this.#serves(model));
    for (const model of gone.slice(0, Math.max(0, gone.length - maxForgotten + 1))) this.#models.delete(model);
  }
}
