import type { IncomingMessage } from 'node:http';
import type { Endpoint } from '../http/endpoint.js';
import type { AccessLog } from './access-log.js';
import { httpTraceEnd } from './http-trace.js';
import type { GatewayMetrics } from './metrics.js';
import type { RequestTrace } from './request-trace.js';
import { callerTraceId, type RequestTracing } from './request-tracing.js';

type Watchers = { readonly metrics: GatewayMetrics; readonly tracing: RequestTracing | null; readonly accessLog: AccessLog };

export type AnsweredHttp = {
  readonly request: IncomingMessage;
  /** Null when the request asked for nothing that there is. */
  readonly endpoint: Endpoint | null;
  readonly status: number;
  readonly arrivedMs: number;
  readonly trace: RequestTrace | null;
};

/** What is told of each HTTP request at its end: the count by status, the trace, the line of the log. */
export class RequestWatch {
  readonly #watchers: Watchers;

  constructor(watchers: Watchers) {
    this.#watchers = watchers;
  }

  answered({ request, endpoint, status, arrivedMs, trace }: AnsweredHttp): void {
    const { metrics, tracing, accessLog } = this.#watchers;
    metrics.requests.count('http', endpoint === null ? 'none' : endpoint.kind, status);
    if (trace !== null) tracing?.end(trace, httpTraceEnd(request, endpoint, status));
    const ms = performance.now() - arrivedMs;
    if (!accessLog.wants(ms, status >= 500)) return;
    const traceId = trace === null ? callerTraceId(request.headers) : trace.traceId;
    accessLog.write({ protocol: 'http', method: request.method ?? 'GET', path: request.url ?? '/', status, ms, traceId });
  }
}
