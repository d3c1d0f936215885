import { mkdir } from 'node:fs/promises';
import type { GpuMonitor } from '../activities/device-ports.js';
import type { LatencyStore } from '../activities/latency-ports.js';
import type { QualitySource } from '../activities/quality-ports.js';
import type {
  CaptureFiles,
  CaptureStore,
  GatewayKeySource,
  NamedObjects,
  OnlineFeatures,
  ObjectStore,
  OutcomeStore,
  PackageVerifier,
  RouteSource,
} from '../activities/ports.js';
import type { ModelTrials } from '../activities/trial-ports.js';
import { join } from 'node:path';
import { ResponseCaches } from './cache/response-caches.js';
import { openCapturing } from './watching/capturing.js';
import { EntityFeatures } from './entities/entity-features.js';
import { AccessControl } from './access/access-control.js';
import type { SharedLimits } from './access/shared-limits.js';
import { BodyRoom } from './http/body-room.js';
import { endpointAnswers } from './endpoint-answers.js';
import { requestHandler } from './request-handler.js';
import type { GatewaySettings } from './gateway-config.js';
import { gatewayConfig } from './gateway-config.js';
import { askedEndpoint } from './grpc/asked-endpoint.js';
import { grpcServer } from './grpc/grpc-server.js';
import { ModelRepository } from './models/repository.js';
import { httpServer } from './http/http-server.js';
import { BodyReader } from './oip/body-reader.js';
import { LogSettings } from './oip/log-settings.js';
import { TraceSettings } from './oip/trace-settings.js';
import type { Log } from './log.js';
import { reasonOf } from './log.js';
import { LatencyRecorder, slotBudget } from './watching/latency-recorder.js';
import { AccessLog } from './watching/access-log.js';
import { GpuFigures } from './watching/gpu-figures.js';
import { GatewayMetrics } from './watching/metrics.js';
import { counter, gauge } from './watching/sampled-figure.js';
import { QualityFigures } from './watching/quality-figures.js';
import { RequestTracing, type TracingOptions } from './watching/request-tracing.js';
import { RequestWatch } from './watching/request-watch.js';
import { OutcomeCache } from './prediction/outcome-cache.js';
import { Predictor } from './prediction/predictor.js';
import { RegistryLink } from './routing/registry-link.js';
import { RouteFollower } from './routing/route-follower.js';
import { RoutingTable } from './routing/routing-table.js';
import { adoptJobs } from './jobs/job-adoption.js';
import { jobFigures } from './jobs/job-figures.js';
import { JobFolder } from './jobs/job-folder.js';
import { JobQueue } from './jobs/job-queue.js';
import type { ContainerMode } from './sagemaker/container-endpoint.js';
import { sageMakerRoutes } from './sagemaker/sagemaker-routes.js';
import type { OwnAnswer, SiblingCall, Siblings } from './siblings/siblings.js';
import { Shadow } from './prediction/shadow.js';

export type GatewayDeps = {
  readonly routes: RouteSource;
  readonly captures: CaptureStore;
  /** Where requests go that are captured as they were; left out, none are. */
  readonly captureFiles?: CaptureFiles;
  /** What values are hashed with in redacted captures; left out, models that ask for such are refused. */
  readonly redactionSecret?: string;
  readonly outcomes: OutcomeStore;
  /** Where latencies of this and other gateways come together; left out, rollouts know of captures alone. */
  readonly latencies?: LatencyStore;
  readonly objects: ObjectStore;
  readonly verifier: PackageVerifier;
  /** Where models are opened for the first time. */
  readonly trials: ModelTrials;
  /** Where features of entities come from that requests only name; left out, requests give every field. */
  readonly onlineFeatures?: OnlineFeatures;
  /** Set where this gateway stands in for a SageMaker container. */
  readonly container?: ContainerMode;
  /** Where inputs and results of asynchronous invocations are; left out, there are none. */
  readonly named?: NamedObjects;
  /** The keys that callers show; left out for none beside the token. */
  readonly keys?: GatewayKeySource;
  /** Where the requests of a key are counted over all processes of the gateway; left out, they are counted here. */
  readonly keyLimits?: SharedLimits;
  /** The other processes on the same port; left out for none. */
  readonly siblings?: Siblings;
  readonly config: GatewaySettings;
  /** What the registry knows of the live versions' quality; left out, the metrics do not tell it. */
  readonly quality?: QualitySource;
  /** Whoever knows how much the GPUs have to do; left out, the metrics do not tell it. */
  readonly gpus?: GpuMonitor;
  /** Makes spans of requests; left out, none is traced. */
  readonly tracing?: TracingOptions;
  /** Takes the gateway's log lines; by default they go nowhere. */
  readonly log?: Log;
};

export type Gateway = {
  /** Loads what the registry (or the last good state) says, then listens. `Conflict` when the port is taken. */
  start(): Promise<void>;
  /** Drains: finishes the requests at work, stores the captures, drops the lease, releases the models. */
  stop(): Promise<void>;
  /** Where it listens; empty before `start`. */
  readonly url: string;
  /** `host:port` of gRPC; empty before `start`, and where there is none. */
  readonly grpcAddress: string;
  /** What this process alone answers to a call of another one on the same port. */
  answerSibling(call: SiblingCall): Promise<OwnAnswer>;
};

/** The online inference server of this platform. One a process. */
export function createGateway(deps: GatewayDeps): Gateway {
  const config = gatewayConfig(deps.config);
  const logging = new LogSettings(deps.log ?? (() => undefined));
  const { log } = logging;
  const tables = new RoutingTable();
  const outcomes = new OutcomeCache(deps.outcomes);
  const metrics = new GatewayMetrics(slotBudget(deps.latencies !== undefined), (model) => tables.get(model) !== undefined);
  const capturing = openCapturing({
    store: deps.captures,
    files: deps.captureFiles,
    redactionSecret: deps.redactionSecret,
    config,
    metrics,
    log,
  });
  const { captures, bodies: observed, redactors } = capturing;
  const latencies =
    deps.latencies === undefined ? null : new LatencyRecorder({ store: deps.latencies, gateway: config.id, metrics, config, log });
  if (latencies !== null) metrics.sample(...latencies.figures);
  const quality = deps.quality === undefined ? null : new QualityFigures(deps.quality);
  if (quality !== null) metrics.also((text) => quality.write(text));
  const gpus = deps.gpus === undefined ? null : new GpuFigures(deps.gpus, log);
  if (gpus !== null) metrics.also((text) => gpus.write(text));
  const caches = new ResponseCaches(config);
  metrics.sample(...caches.figures(() => tables.models.flatMap((model) => [...tables.need(model).versions.values()])));
  const shadow = new Shadow({ outcomes, captures, bodies: observed, redactors, config });
  const tracing = deps.tracing === undefined ? null : new RequestTracing(deps.tracing);
  const traceSettings = new TraceSettings(tracing);
  const models = { modelOfJob: (job: string): string | null => queue.find(job)?.model ?? null, only: deps.container?.only ?? null };
  const watch = new RequestWatch({
    metrics,
    models,
    tracing,
    accessLog: new AccessLog(log, config.slowRequestMs),
  });
  const entities = new EntityFeatures({ store: deps.onlineFeatures ?? null, config });
  metrics.sample(...entities.figures);
  const plainPredictor = new Predictor({ tables, outcomes, captures, bodies: observed, redactors, caches, entities, shadow, config });
  const repository: ModelRepository = new ModelRepository({
    routes: deps.routes,
    objects: deps.objects,
    verifier: deps.verifier,
    trials: deps.trials,
    tables,
    metrics,
    config,
    log,
    accept: (spec, plan) => redactors.check(spec, plan),
    refusals: () => follower.refusals,
  });
  const follower = new RouteFollower({
    routes: deps.routes,
    tables,
    outcomes,
    config,
    log,
    host: (servable) => repository.host(servable),
  });
  const link = new RegistryLink({ routes: deps.routes, follower, config, log });
  const access = new AccessControl(config, deps.keyLimits ?? null);
  const callers = { access, hosts: config.hosts, models };
  const bodies = { maxBytes: config.maxBodyBytes, room: new BodyRoom(config.maxBodiesBytes) };
  let unfollowKeys: (() => void) | undefined;
  const named = deps.named ?? null;
  const jobsFolder = join(config.folder, 'jobs');
  const bodyReader = new BodyReader({ maxJsonDepth: config.maxJsonDepth, threadBytes: config.bodyThreadBytes, program: config.bodyThread });
  const queue = new JobQueue({
    reader: bodyReader,
    predictor: plainPredictor,
    tables,
    objects: deps.objects,
    named,
    config,
    log,
    folder: new JobFolder(jobsFolder),
  });
  metrics.sample(...jobFigures(queue));
  const ready = (): boolean => follower.ready && !draining;
  const sageMaker = sageMakerRoutes({ tables, queue, named, mode: deps.container ?? null, config, bodies: bodyReader, ready });
  const siblings = deps.siblings ?? null;
  let url = '';
  let grpcAddress = '';
  let draining = false;

  const answer = endpointAnswers({
    config,
    bodyReader,
    tables,
    repository,
    queue,
    outcomes,
    capturing,
    captureStore: deps.captures,
    latencies,
    metrics,
    logging,
    traceSettings,
    siblings,
    bodies,
    sageMaker,
    ready,
  });

  const handler = requestHandler({
    answer,
    predictor: plainPredictor,
    callers,
    siblings,
    bodies,
    watch,
    logging,
    packFromBytes: config.packFromBytes,
    isLoading: () => !follower.ready,
  });
  const server = httpServer(config, handler.handle);
  metrics.sample(
    gauge('gateway_connections', 'Open HTTP connections', () => server.connections),
    gauge('gateway_requests_waiting', 'Requests that were read and wait for their turn', () => server.waiting),
    counter('gateway_unreadable_total', 'Requests that were no HTTP that can be read', () => server.unreadable),
    gauge('gateway_body_bytes', 'Memory held by request bodies over 64 KiB', () => bodies.room.bytes),
    counter('gateway_bodies_in_thread_total', 'Large bodies that were read in the thread', () => bodyReader.readInThread),
    counter('gateway_access_denied_total', 'Calls refused for want of a key, a role or a rate', () => access.denied),
  );
  const grpc =
    config.grpcPort === null
      ? null
      : grpcServer({
          config,
          predictor: plainPredictor,
          watch,
          admit: (call) => (access.open ? null : access.check(call)),
          async ask(call) {
            const { body } = await handler.ask(askedEndpoint(call), call);
            return body.length === 0 ? null : (JSON.parse(String(body)) as unknown);
          },
          tell: handler.tell,
          count: (rpc, status, model) => metrics.requests.of(model).count('grpc', rpc, status),
          ready,
        });

  return {
    get url() {
      return url;
    },
    get grpcAddress() {
      return grpcAddress;
    },
    answerSibling: handler.answerSibling,
    async start() {
      await mkdir(config.folder, { recursive: true });
      repository.start();
      capturing.start();
      unfollowKeys = await deps.keys?.follow({
        changed: (keys) => access.replaceKeys(keys),
        failed: (error) => log({ level: 'error', event: 'keysUnreadable', reason: reasonOf(error) }),
      });
      // The others answer meanwhile; alone, it is alive at once and ready when its models are.
      if (siblings?.serving === true) await follower.start();
      url = await server.listen();
      try {
        grpcAddress = (await grpc?.listen()) ?? '';
      } catch (error) {
        await server.close(0);
        throw error;
      }
      latencies?.start();
      quality?.start(config.qualityEveryMs);
      gpus?.start(config.gpusEveryMs);
      await link.open(config.publicUrl ?? url);
      grpc?.look();
      await adoptJobs({ left: config.leftFolders, own: jobsFolder, log });
      await queue.open();
      log({ level: 'info', event: 'listening', url, grpcAddress, models: tables.models });
    },
    async stop() {
      draining = true;
      unfollowKeys?.();
      await queue.close();
      await link.close();
      await Promise.all([server.close(config.drainLimitMs), grpc?.close(config.drainLimitMs)]);
      await shadow.drain(config.shadowLimitMs);
      await bodyReader.close();
      await capturing.close();
      await latencies?.close();
      quality?.close();
      gpus?.close();
      await within(
        config.drainLimitMs,
        tables.clear().map(({ closed }) => closed),
      );
      await within(config.drainLimitMs, [repository.stop()]);
      metrics.clear();
      log({ level: 'info', event: 'stopped' });
    },
  };
}

/** Waits for all, but no longer than `limitMs`. */
async function within(limitMs: number, work: readonly Promise<void>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([Promise.all(work), limit]);
  clearTimeout(timer);
}
