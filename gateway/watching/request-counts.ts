import type { Exposition } from './exposition.js';

export type Protocol = 'http' | 'grpc';

/**
 * Requests by protocol, endpoint and status. Endpoints are the gateway's own words for what a request is for, never a
 * path that a caller made up, so that there are as many series as there are endpoints and statuses.
 */
export class RequestCounts {
  readonly #counts: Readonly<Record<Protocol, Map<string, Map<number | string, number>>>> = { http: new Map(), grpc: new Map() };

  /** `status` is the number of HTTP, or the name of a gRPC code. */
  count(protocol: Protocol, endpoint: string, status: number | string): void {
    const endpoints = this.#counts[protocol];
    let statuses = endpoints.get(endpoint);
    if (statuses === undefined) endpoints.set(endpoint, (statuses = new Map()));
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }

  write(text: Exposition): void {
    text.family('gateway_requests_total', 'counter', 'Requests by what they were for and how they ended');
    for (const protocol of ['http', 'grpc'] as const)
      for (const [endpoint, statuses] of this.#counts[protocol])
        for (const [status, count] of statuses) text.add({ protocol, endpoint, status: String(status) }, count);
  }
}
