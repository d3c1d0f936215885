import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCaptureFiles } from '../adapters/captures/open-capture-files.js';
import { nvidiaSmi } from '../adapters/gpu/nvidia-smi.js';
import { ensureToken } from '../adapters/keys/api-token.js';
import { gatewayKeySource } from '../adapters/keys/gateway-key-file.js';
import { ensureRedactionSecret } from '../adapters/keys/redaction-secret.js';
import { createCaptureStore } from '../adapters/postgres/serving/capture-store.js';
import { createLatencyStore } from '../adapters/postgres/serving/latency-sketches.js';
import { createQualitySource } from '../adapters/postgres/serving/live-quality.js';
import { createOutcomeStore } from '../adapters/postgres/serving/outcome-store.js';
import { openNamedObjects } from '../adapters/named-objects/open-named-objects.js';
import { createModelTrials } from '../adapters/onnx/model-trials.js';
import { createRouteSource } from '../adapters/postgres/serving/route-source.js';
import { createGateway, type Gateway } from '../gateway/gateway.js';
import { gatewayConfig, halfOfMemory, type GatewayConfig } from '../gateway/gateway-config.js';
import { isLoopback, refuseOpenGateway } from './bind.js';
import { leftFolders, processFolder, seedFolder } from './gateway-folders.js';
import { partOf } from './gateway-devices.js';
import { joinProcesses, superviseProcesses } from './gateway-processes.js';
import { readGrpcTlsFiles } from './grpc-tls.js';
import type { Config } from './config.js';
import { runProcess, sayReady, untilStopped } from './process.js';
import { openStores } from './stores.js';
import { openTracer } from './telemetry.js';

// The online inference server. Without Postgres it starts with its last good state.
await runProcess('gateway', async (config) => {
  await refuseOpenGateway(config);
  if (config.gatewayProcesses > 1 && config.gatewayProcess === null) return superviseProcesses(config.gatewayProcesses);
  const membership = joinProcesses({ index: config.gatewayProcess, isAgain: config.gatewayProcessAgain }, (call) =>
    gateway.answerSibling(call),
  );
  // Processes share nothing in memory or on disk but what the stores hold.
  const gatewayFolder = join(config.home, 'gateway');
  const index = membership?.index ?? 0;
  await seedFolder(gatewayFolder, index);
  const { database, objects, verifier } = await openStores(config, 'gateway', { mayBeAway: true });
  const trials = createModelTrials({
    program: fileURLToPath(new URL('../adapters/onnx/trial-program.js', import.meta.url)),
    deviceVariables: config.driverVariables,
  });
  const traces = openTracer({ service: 'perennial-gateway', otlpEndpoint: config.otlpEndpoint });
  const gateway: Gateway = createGateway({
    ...(membership === null ? {} : { siblings: membership.siblings, keyLimits: membership.keyLimits }),
    ...(traces === null ? {} : { tracing: { tracer: traces.tracer, ratio: config.gatewayTraceRatio } }),
    routes: createRouteSource(database.db, config.databaseUrl),
    captures: createCaptureStore(database.db),
    captureFiles: await openCaptureFiles({ ...config.objects, location: config.captures }),
    named: await openNamedObjects({ ...config.objects, location: config.asyncCalls }),
    redactionSecret: config.redactionSecret ?? (await ensureRedactionSecret(gatewayFolder)),
    latencies: createLatencyStore(database.db),
    quality: createQualitySource(database.db),
    // One of several processes tells for the machine.
    ...(membership === null || membership.index === 0 ? { gpus: nvidiaSmi() } : {}),
    outcomes: createOutcomeStore(database.db),
    objects,
    verifier,
    trials,
    keys: gatewayKeySource(config.gatewayKeysFile),
    log: (line) => void process.stderr.write(`${JSON.stringify(line)}\n`),
    config: gatewayConfig({
      id: `gateway-${randomUUID()}`,
      host: config.bind,
      port: config.gatewayPort,
      grpcPort: config.gatewayGrpcPort ?? 8601,
      grpcPortMayMove: config.gatewayGrpcPort === null,
      grpcProto: fileURLToPath(new URL('../gateway/grpc/inference.proto', import.meta.url)),
      grpcTls: config.gatewayGrpcTls === null ? null : await readGrpcTlsFiles(config.gatewayGrpcTls),
      publicUrl: config.gatewayUrl,
      token: isLoopback(config.bind) ? null : config.token,
      localToken: isLoopback(config.bind) ? (config.token ?? (await ensureToken(config.home))) : null,
      tokens: config.tokenIssuer,
      hosts: config.apiHosts,
      folder: processFolder(gatewayFolder, index),
      leftFolders: await leftFolders(gatewayFolder, { count: config.gatewayProcesses, index }),
      captureFolder: join(gatewayFolder, 'capture-files'),
      ...shareOf(config),
      idleUnloadMs: config.gatewayIdleUnloadMs,
      compileTrees: config.gatewayCompilesTrees,
      inferenceThread: fileURLToPath(new URL('../gateway/models/inference-thread.js', import.meta.url)),
      bodyThread: fileURLToPath(new URL('../gateway/oip/body-thread.js', import.meta.url)),
    }),
  });
  const { stopping, stop } = untilStopped();
  return {
    async run() {
      await gateway.start();
      const addresses = { url: gateway.url, grpc: gateway.grpcAddress };
      if (membership === null) sayReady('gateway', addresses);
      else membership.ready(addresses);
      await stopping;
      await gateway.stop();
      await traces?.close().catch(() => undefined);
      await trials.close();
      await database.close();
    },
    stop,
  };
});

/** Memory, devices and threads for models: what was said, or the default share; processes have equal parts of it. */
function shareOf({ gatewayMemoryBytes, gatewayDevices, gatewayProcesses }: Config): Partial<GatewayConfig> {
  const bytes = Math.floor((gatewayMemoryBytes ?? halfOfMemory()) / gatewayProcesses);
  const maxThreads = Math.max(1, Math.floor(availableParallelism() / gatewayProcesses) - 1);
  return { memoryBudgetBytes: bytes, trialMemoryBytes: bytes, devices: partOf(gatewayDevices, gatewayProcesses), maxThreads };
}
