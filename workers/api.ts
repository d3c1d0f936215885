import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { ensureToken } from '../adapters/keys/api-token.js';
import { createApi } from '../clients/api/create-api.js';
import { modelClock } from '../clients/api/model-clock.js';
import { postgresRegistry } from '../clients/api/registry.js';
import { openUploads } from '../clients/api/uploads.js';
import { LifecycleCommands } from '../clients/client/lifecycle-commands.js';
import { reconcileFromRegistry } from '../schedules/reconcile.js';
import { refuseOpenBind } from './bind.js';
import { runProcess, sayReady, untilStopped } from './process.js';
import { openStores } from './stores.js';
import { openTelemetry } from './telemetry.js';
import { connectClient } from './temporal-connection.js';

/** 2 GiB, the largest file, over 5 Mbit/s. */
const longestUploadMs = 3_600_000;

// The control API. It wants its token on loopback too; beyond loopback the token must have been given on purpose.
await runProcess('api', async (config) => {
  refuseOpenBind(config);
  const { database, objects } = await openStores(config, 'api');
  const { client, close } = await connectClient(config, openTelemetry({ service: 'perennial-api', otlpEndpoint: config.otlpEndpoint }));
  const registry = postgresRegistry(database.db);
  const commands = new LifecycleCommands({ client, clockOf: async (model) => (await modelClock(registry, model)).clock });
  let port = config.apiPort;
  const hosts = () => [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, ...config.apiHosts];
  const schedulesChanged = async () => void (await reconcileFromRegistry(client.schedule, registry));
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const api = createApi({
    registry,
    commands,
    objects,
    uploads: await openUploads({ objects, folder: join(config.home, 'scratch', 'uploads') }),
    token: config.token ?? (await ensureToken(config.home)),
    hosts,
    schedulesChanged,
    log,
  });
  const { stopping, stop } = untilStopped();
  return {
    async run() {
      const serverOptions = { requestTimeout: longestUploadMs };
      const server = serve({ fetch: api.fetch, hostname: config.bind, port: config.apiPort, serverOptions }, (address: AddressInfo) => {
        port = address.port;
        sayReady('api', { url: `http://${config.bind}:${port}` });
      });
      server.on('error', (error: Error) => {
        process.stderr.write(
          `api: cannot listen on ${config.bind}:${config.apiPort}: ${error.message}. Choose another port with PERENNIAL_API_PORT.\n`,
        );
        process.exit(1);
      });
      await stopping;
      await new Promise((resolve) => server.close(resolve));
      await close();
      await database.close();
    },
    stop,
  };
});
