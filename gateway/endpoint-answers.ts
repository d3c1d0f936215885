import type { CaptureStore } from '../activities/ports.js';
import type { GatewayConfig } from './gateway-config.js';
import { CallerGone } from './http/caller-gone.js';
import type { Endpoint } from './http/endpoint.js';
import type { Reply } from './http/reply.js';
import { json } from './http/reply.js';
import type { BodyLimits } from './http/request-body.js';
import { readBody } from './http/request-body.js';
import type { GatewayRequest } from './http/whole-request.js';
import { answerJobs } from './jobs/job-endpoint.js';
import type { JobQueue } from './jobs/job-queue.js';
import type { ModelRepository } from './models/repository.js';
import type { BodyReader } from './oip/body-reader.js';
import { infer } from './oip/infer-endpoint.js';
import type { LogSettings } from './oip/log-settings.js';
import { manage } from './oip/management.js';
import { modelList, modelMetadata, modelReadiness, modelRoute, readiness, serverMetadata } from './oip/metadata.js';
import type { TraceSettings } from './oip/trace-settings.js';
import { openApiText } from './openapi/document.js';
import { postLabels } from './prediction/label-endpoint.js';
import type { OutcomeCache } from './prediction/outcome-cache.js';
import type { Predictor } from './prediction/predictor.js';
import type { RoutingTable } from './routing/routing-table.js';
import type { sageMakerRoutes } from './sagemaker/sagemaker-routes.js';
import type { Siblings } from './siblings/siblings.js';
import { generate, stream } from './streams/stream-endpoint.js';
import { v1Predict } from './v1/predict-endpoint.js';
import type { Capturing } from './watching/capturing.js';
import type { LatencyRecorder } from './watching/latency-recorder.js';
import type { GatewayMetrics } from './watching/metrics.js';

/** The parts of a gateway that answer requests. */
export type AnswerDeps = {
  readonly config: GatewayConfig;
  readonly tables: RoutingTable;
  readonly repository: ModelRepository;
  readonly queue: JobQueue;
  readonly outcomes: OutcomeCache;
  readonly capturing: Capturing;
  readonly captureStore: CaptureStore;
  readonly latencies: LatencyRecorder | null;
  readonly metrics: GatewayMetrics;
  readonly logging: LogSettings;
  readonly traceSettings: TraceSettings;
  readonly siblings: Siblings | null;
  readonly bodies: BodyLimits;
  readonly bodyReader: BodyReader;
  readonly sageMaker: ReturnType<typeof sageMakerRoutes>;
  /** Whether every routed model can be answered, and the process does not stop. */
  ready(): boolean;
};

/** When a request arrived, and who makes its predictions. */
export type Answering = { readonly arrivedMs: number; readonly predictor: Predictor };

/** Answers a request whose caller was let in; throws or rejects with a `RequestError` or whatever else went wrong. */
export type Answer = (endpoint: Endpoint, request: GatewayRequest, answering: Answering) => Reply | Promise<Reply>;

/** Leads each kind of endpoint to what answers it. */
export function endpointAnswers(deps: AnswerDeps): Answer {
  const { config, tables, repository, queue, outcomes, capturing, captureStore, latencies, metrics } = deps;
  const { logging, traceSettings, siblings, bodies, sageMaker, ready } = deps;
  const { maxJsonDepth, maxBodyBytes } = config;
  const { captures, redactors } = capturing;
  const streams = { tables, reader: deps.bodyReader, maxJsonDepth, maxBodyBytes, room: bodies.room };
  const flush = async (): Promise<Reply> => {
    await Promise.all([capturing.flush(), latencies?.flush()]);
    return json(200, { written: captures.written, dropped: captures.dropped, waiting: captures.waiting });
  };
  return (endpoint, request, { arrivedMs, predictor }) => {
    const body = async (): Promise<Buffer> => readBody(request, bodies);
    const { headers } = request;
    switch (endpoint.kind) {
      case 'infer': {
        const { model, version } = endpoint;
        return whenRead(readBody(request, bodies), (received) =>
          infer(
            { predictor, bodies: deps.bodyReader },
            { model, version, headers, body: received, arrivedMs, cancel: new CallerGone(request.socket) },
          ),
        );
      }
      case 'invocations':
      case 'invocationsStream':
      case 'invocationsAsync':
      case 'ping':
      case 'containerInvocations':
      case 'containerModels':
      case 'containerLoad':
      case 'containerModel':
      case 'containerUnload':
      case 'containerInvoke':
        return sageMaker(endpoint, { request, body, arrivedMs, predictor });
      case 'submitJob':
      case 'job':
      case 'jobResult':
      case 'deleteJob':
        return answerJobs({ queue, tables, siblings, reader: deps.bodyReader, maxJsonDepth }, endpoint, { headers, body });
      case 'generate':
        return generate({ ...streams, predictor }, { ...endpoint, request, body, arrivedMs });
      case 'inferStream':
      case 'generateStream':
        return stream({ ...streams, predictor }, { ...endpoint, request, body, arrivedMs });
      case 'labels':
        return whenRead(readBody(request, bodies), (received) =>
          postLabels(
            {
              store: captureStore,
              captures,
              redactors,
              outcomes,
              reader: deps.bodyReader,
              maxJsonDepth,
              flushLimitMs: config.drainLimitMs,
            },
            { table: tables.need(endpoint.model), body: received },
          ),
        );
      case 'flush':
        return whenRead(readBody(request, bodies), flush);
      case 'server':
        return serverMetadata({ traced: traceSettings.isThere });
      case 'root':
        return json(200, { status: 'alive' });
      case 'live':
        return json(200, { live: true });
      case 'ready':
        return readiness(ready());
      case 'models':
        return modelList(tables);
      case 'model':
        return modelMetadata(tables, endpoint);
      case 'modelReady':
        return modelReadiness(tables, endpoint);
      case 'route':
        return modelRoute(tables, endpoint.model);
      case 'modelConfig':
      case 'statistics':
      case 'allStatistics':
      case 'repositoryIndex':
      case 'repositoryLoad':
      case 'repositoryUnload':
      case 'logSettings':
      case 'changeLogSettings':
      case 'traceSettings':
      case 'changeTraceSettings':
      case 'sharedMemory':
      case 'v1Models':
      case 'v1Status':
        return manage({ tables, repository, logging, traceSettings, config }, endpoint, body);
      case 'v1Predict':
        return whenRead(readBody(request, bodies), (received) =>
          v1Predict(
            { predictor, bodies: deps.bodyReader, maxJsonDepth },
            { ...endpoint, headers, body: received, arrivedMs, cancel: new CallerGone(request.socket) },
          ),
        );
      case 'openapi':
        return { status: 200, contentType: 'application/json', body: openApiText() };
      case 'metrics':
        return metrics.text().then((text) => ({ status: 200, contentType: metrics.contentType, body: text }));
    }
  };
}

/** What is made of a body: at once where the body is there. */
function whenRead(body: Buffer | Promise<Buffer>, make: (body: Buffer) => Reply | Promise<Reply>): Reply | Promise<Reply> {
  return body instanceof Promise ? body.then(make) : make(body);
}
