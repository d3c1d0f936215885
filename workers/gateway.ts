import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCaptureStore } from '../adapters/postgres/serving/capture-store.js';
import { createOutcomeStore } from '../adapters/postgres/serving/outcome-store.js';
import { createRouteSource } from '../adapters/postgres/serving/route-source.js';
import { createGateway } from '../gateway/gateway.js';
import { gatewayConfig } from '../gateway/gateway-config.js';
import { isLoopback, refuseOpenBind } from './bind.js';
import { runProcess, sayReady } from './process.js';
import { openStores } from './stores.js';

// The online inference server. Without Postgres it starts with its last good state.
await runProcess('gateway', async (config) => {
  refuseOpenBind(config);
  const { database, objects, verifier } = await openStores(config, 'gateway', { mayBeAway: true });
  const gateway = createGateway({
    routes: createRouteSource(database.db, config.databaseUrl),
    captures: createCaptureStore(database.db),
    outcomes: createOutcomeStore(database.db),
    objects,
    verifier,
    log: (line) => void process.stderr.write(`${JSON.stringify(line)}\n`),
    config: gatewayConfig({
      id: `gateway-${randomUUID()}`,
      host: config.bind,
      port: config.gatewayPort,
      publicUrl: config.gatewayUrl,
      token: isLoopback(config.bind) ? null : config.token,
      folder: join(config.home, 'gateway'),
      inferenceThread: fileURLToPath(new URL('../gateway/models/inference-thread.js', import.meta.url)),
    }),
  });
  let stopped: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  return {
    async run() {
      await gateway.start();
      sayReady('gateway', { url: gateway.url });
      await stopping;
      await gateway.stop();
      await database.close();
    },
    stop: () => stopped(),
  };
});
