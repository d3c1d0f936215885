import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import { startPostgres } from '../../../tools/servers/postgres.mjs';
import { connectTemporal, startTemporal } from '../../../tools/servers/temporal.mjs';
import { prepareNamespace, searchAttributesCommand } from '../../../tools/servers/temporal-namespace.mjs';
import { SetUpFailure } from '../../../tools/failure.mjs';
import type { World } from './world.js';

/** Temporal and Postgres, ours or somebody's; `stop` leaves theirs alone. */
export type Server<T> = T & { readonly note: string; stop(): Promise<void> };
export type TemporalServer = Server<{ readonly address: string; readonly ui: string | null }>;
export type PostgresServer = Server<{ readonly url: string }>;

/** The server of TEMPORAL_ADDRESS, made ready for us, or the dev server. */
export async function openTemporal(world: World, say: (line: string) => void): Promise<TemporalServer> {
  const { env, namespace } = world;
  const address = env['TEMPORAL_ADDRESS'];
  if (address !== undefined && address !== '') {
    await prepareTheirs({ address, namespace, executable: world.temporal }, say);
    return { address, ui: env['PERENNIAL_TEMPORAL_UI'] ?? null, note: 'TEMPORAL_ADDRESS', stop: async () => undefined };
  }
  const ours = await startTemporal({
    folder: world.temporalHome,
    executable: world.temporal,
    namespace,
    variable: 'PERENNIAL_TEMPORAL_PORT',
    uiVariable: 'PERENNIAL_TEMPORAL_UI_PORT',
    say,
  });
  const { ui, adopted, stop } = ours;
  return { address: ours.address, ui: ui ?? null, note: adopted ? 'was running already' : '', stop };
}

/** The server of DATABASE_URL, or the embedded one. */
export async function openPostgres(world: World, say: (line: string) => void): Promise<PostgresServer> {
  const url = world.env['DATABASE_URL'];
  if (url !== undefined && url !== '') return { url, note: 'DATABASE_URL', stop: async () => undefined };
  const { adopted, stop, ...ours } = await startPostgres({ folder: world.postgres, variable: 'PERENNIAL_POSTGRES_PORT', say });
  return { url: ours.url, note: adopted ? 'was running already' : '', stop };
}

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
