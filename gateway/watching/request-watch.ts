import type { Endpoint } from '../http/endpoint.js';
import type { GatewayRequest } from '../http/whole-request.js';
import type { AccessLog } from './access-log.js';
import type { UnnamedModels } from '../http/called-model.js';
import { countedModel } from './counted-model.js';
import { httpTraceEnd } from './http-trace.js';
import type { GatewayMetrics } from './metrics.js';
import type { RequestTrace } from './request-trace.js';
import { callerTraceId, type RequestTracing, type TraceEnd, type TraceHeaders } from './request-tracing.js';

type Watchers = {
  readonly metrics: GatewayMetrics;
  readonly models: UnnamedModels;
  readonly tracing: RequestTracing | null;
  readonly accessLog: AccessLog;
};

export type BegunHttp = {
  readonly request: GatewayRequest;
  /** Null when the request asked for nothing that there is. */
  readonly endpoint: Endpoint | null;
  readonly arrivedMs: number;
  readonly trace: RequestTrace | null;
};

export type AnsweredCall = {
  readonly rpc: string;
  /** Name of the gRPC status. */
  readonly code: string;
  /** Whether the server was at fault. */
  readonly failed: boolean;
  readonly end: () => TraceEnd;
  readonly headers: TraceHeaders;
  readonly arrivedMs: number;
  readonly trace: RequestTrace | null;
};

/** What is told of each request at its end: the count by status, the trace, the line of the log. */
export class RequestWatch {
  readonly #watchers: Watchers;

  constructor(watchers: Watchers) {
    this.#watchers = watchers;
  }

  /** The trace of a request that begins; null when it is not traced. */
  begin(headers: TraceHeaders, arrivedMs: number): RequestTrace | null {
    const { tracing } = this.#watchers;
    return tracing === null ? null : tracing.begin(headers, arrivedMs);
  }

  /** A gRPC request was answered; its call is counted by the server. */
  called({ rpc, code, failed, end, headers, arrivedMs, trace }: AnsweredCall): void {
    const { tracing, accessLog } = this.#watchers;
    if (trace !== null) tracing?.end(trace, end());
    const ms = performance.now() - arrivedMs;
    if (!accessLog.wants(ms, failed)) return;
    const traceId = trace === null ? callerTraceId(headers) : trace.traceId;
    accessLog.write({ protocol: 'grpc', method: 'POST', path: rpc, status: code, ms, traceId });
  }

  answered({ request, endpoint, arrivedMs, trace }: BegunHttp, status: number): void {
    const { metrics, models, tracing, accessLog } = this.#watchers;
    const model = endpoint === null ? null : countedModel(models, endpoint, request.headers);
    metrics.requests.of(model).count('http', endpoint === null ? 'none' : endpoint.kind, status);
    if (trace !== null) tracing?.end(trace, httpTraceEnd(request, endpoint, status));
    const ms = performance.now() - arrivedMs;
    // A probe that is told "not yet" is what it asks for.
    const failed = status >= 500 && endpoint?.kind !== 'ready' && endpoint?.kind !== 'modelReady';
    if (!accessLog.wants(ms, failed)) return;
    const traceId = trace === null ? callerTraceId(request.headers) : trace.traceId;
    accessLog.write({ protocol: 'http', method: request.method ?? 'GET', path: request.url ?? '/', status, ms, traceId });
  }
}
