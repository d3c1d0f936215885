import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import { startPostgres, stopPostgres } from '../../../tools/servers/postgres.mjs';
import { connectTemporal, startTemporal, stopTemporal } from '../../../tools/servers/temporal.mjs';
import { prepareNamespace, searchAttributesCommand } from '../../../tools/servers/temporal-namespace.mjs';
import { SetUpFailure } from '../../../tools/failure.mjs';
import { type ServerEvents, SupervisedServer } from './supervised-server.js';
import type { World } from './world.js';

/** Temporal and Postgres, ours or somebody's; `stop` leaves theirs alone. */
export type Server<T> = T & { stop(): Promise<void> };
export type TemporalServer = Server<{ readonly address: string; readonly ui: string | null }>;
export type PostgresServer = Server<{ readonly url: string }>;

/** The server of TEMPORAL_ADDRESS, made ready for us, or the dev server, which is started again when it dies. */
export async function openTemporal(world: World, events: ServerEvents): Promise<TemporalServer> {
  const { env, namespace } = world;
  const address = env['TEMPORAL_ADDRESS'];
  if (address !== undefined && address !== '') {
    await prepareTheirs({ address, namespace, executable: world.temporal }, events.say);
    return { address, ui: env['PERENNIAL_TEMPORAL_UI'] ?? null, stop: async () => undefined };
  }
  const where = { folder: world.temporalHome, executable: world.temporal, namespace };
  const ours = await startTemporal({
    ...where,
    variable: 'PERENNIAL_TEMPORAL_PORT',
    uiVariable: 'PERENNIAL_TEMPORAL_UI_PORT',
    say: events.say,
  });
  const ports = { grpc: portOf(`http://${ours.address}`), ui: ours.ui === undefined ? undefined : portOf(ours.ui) };
  const stop = () => stopTemporal(where);
  const supervised = new SupervisedServer(
    { name: 'Temporal', server: { ...ours, stop }, again: async () => ({ ...(await startTemporal({ ...where, ports })), stop }) },
    events,
  );
  return { address: ours.address, ui: ours.ui ?? null, stop: () => supervised.stop() };
}

/** The server of DATABASE_URL, or the embedded one, which is started again when it dies. */
export async function openPostgres(world: World, events: ServerEvents): Promise<PostgresServer> {
  const url = world.env['DATABASE_URL'];
  if (url !== undefined && url !== '') {
    refuseNoUrl(url);
    return { url, stop: async () => undefined };
  }
  const where = { folder: world.postgres };
  const ours = await startPostgres({ ...where, variable: 'PERENNIAL_POSTGRES_PORT', say: events.say });
  // By its data: the number of one that died may be another program's by now.
  const stop = () => stopPostgres(where);
  const supervised = new SupervisedServer(
    { name: 'Postgres', server: { ...ours, stop }, again: async () => ({ ...(await startPostgres({ ...where, port: ours.port })), stop }) },
    events,
  );
  return { url: ours.url, stop: () => supervised.stop() };
}

/** What is wrong is not repeated: there may be a password in it. */
function refuseNoUrl(url: string): void {
  if (/^(postgres(ql)?:\/\/|socket:|\/)/.test(url)) return;
  throw new PerennialError(
    'DataInvalid',
    'DATABASE_URL is no address of a database: postgres://user:password@host:port/database is expected. Correct it, or unset it to use the embedded Postgres.',
  );
}

const portOf = (url: string): number => Number(new URL(url).port);

type Theirs = { readonly address: string; readonly namespace: string; readonly executable: string };

async function prepareTheirs(server: Theirs, say: (line: string) => void): Promise<void> {
  const connection = await connectTemporal(server.address, 5_000).catch((cause: unknown) => {
    throw new PerennialError(
      'Unavailable',
      `No Temporal server answers at ${server.address} (TEMPORAL_ADDRESS): ${cause instanceof Error ? cause.message : String(cause)}. Start it, correct the variable, or unset it to use the dev server.`,
      { cause },
    );
  });
  try {
    await Promise.race([prepareNamespace({ connection, namespace: server.namespace }), delay(30_000)]);
  } catch (error) {
    if (error instanceof SetUpFailure) throw error;
    // A server where we may not: somebody who may runs this once.
    say(`! search attributes could not be registered (${error instanceof Error ? error.message : String(error)}); if they are missing:`);
    say(`    ${searchAttributesCommand(server)}`);
  } finally {
    await connection.close();
  }
}
