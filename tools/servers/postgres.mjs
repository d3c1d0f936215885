import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { readJson, writeJson } from '../json-file.mjs';
import { choosePort, samePort } from '../ports.mjs';
import { endProcess, identify, isRunning, startDetached, untilEnded, untilForgotten } from '../processes.mjs';
import { createCluster } from './postgres-cluster.mjs';
import { cannotStart, lastWords } from './postgres-failure.mjs';
import { identityOf, postgresOwner } from './postgres-owner.mjs';
import { postgresPrograms, programEnvironment } from './postgres-programs.mjs';

/**
 * @typedef {object} PostgresOptions
 * @property {string} folder where its data belong; as root they may have to lie elsewhere, and `<folder>.json` says where
 * @property {number} [preferredPort] 0 for any free one
 * @property {number} [port] this one and no other: others know it from before
 * @property {string} [variable] the environment variable that may ask for a port
 * @property {string} [database] created when absent
 * @property {boolean} [durable] false only for throw-away servers: their commits are not forced to the disk
 * @property {(line: string) => void} [say]
 */

/**
 * @typedef {object} RunningPostgres
 * @property {string} url connection string with the password
 * @property {number} port
 * @property {number} pid
 * @property {boolean} adopted it was running already, left by an earlier start
 * @property {string} dataFolder
 * @property {string} logFile
 * @property {() => Promise<void>} stop ends it fast: open transactions are rolled back
 * @property {() => Promise<string>} ended resolves at its end, however that comes, as `untilEnded` says it
 */

const START_MS = 60_000;
const LOOK_MS = 30;
/** Postgres takes a server that was killed for a living one until the system has forgotten its number. */
const FORGOTTEN_MS = 5_000;

/**
 * Starts the embedded Postgres on loopback, or adopts the one that already runs on these data.
 * It goes on running when this process ends, however that happens.
 * @param {PostgresOptions} options
 * @returns {Promise<RunningPostgres>}
 * @throws {SetUpFailure} with Postgres's own last words when it cannot be started
 */
export async function startPostgres(options) {
  const { folder, database = 'perennial' } = options;
  const owner = postgresOwner({ home: folder, native: postgresPrograms() });
  const place = { owner, data: join(owner.folder, 'data'), logFile: join(owner.folder, 'postgres.log') };
  if (!existsSync(join(place.data, 'PG_VERSION'))) await createCluster(place);
  const password = readFileSync(join(owner.folder, 'password'), 'utf8').trim();
  if (readJson(`${folder}.json`)?.folder !== owner.folder) writeJson(`${folder}.json`, { folder: owner.folder });
  const { child, ...server } = (await adopt(place, password)) ?? (await start({ place, password, options }));
  await ensureDatabase({ port: server.port, password, database });
  return {
    ...server,
    url: urlOf({ port: server.port, password, database }),
    dataFolder: place.data,
    logFile: place.logFile,
    stop: () => stopServer(server.pid),
    ended: () => untilEnded({ pid: server.pid, child }),
  };
}

/**
 * Stops the Postgres that runs on these data, whoever started it. Nothing happens when none does.
 * @param {{folder: string}} options
 */
export async function stopPostgres({ folder }) {
  const at = readJson(`${folder}.json`)?.folder ?? folder;
  const pid = runningPid(join(at, 'data'));
  if (pid !== undefined) await stopServer(pid);
}

/**
 * Stops it and removes its data.
 * @param {{folder: string}} options
 */
export async function removePostgres({ folder }) {
  const at = readJson(`${folder}.json`)?.folder ?? folder;
  await stopPostgres({ folder });
  rmSync(at, { recursive: true, force: true, maxRetries: 5 });
  rmSync(`${folder}.json`, { force: true });
}

/** @typedef {{owner: import('./postgres-owner.mjs').PostgresOwner, data: string, logFile: string}} Place */

/**
 * @param {Place} place
 * @param {string} password
 */
async function adopt(place, password) {
  const pid = runningPid(place.data);
  if (pid === undefined) return undefined;
  const port = Number(readFileSync(join(place.data, 'postmaster.pid'), 'utf8').split('\n')[3]);
  await untilReady({ pid, port, password, logFile: place.logFile, logFrom: 0 });
  return { pid, port, adopted: true, child: undefined };
}

/** @param {{place: Place, password: string, options: PostgresOptions}} wish */
async function start({ place: { owner, data, logFile }, password, options }) {
  const { durable = true } = options;
  const noted = notedPid(data);
  if (noted !== undefined) await untilForgotten(noted, FORGOTTEN_MS);
  const port = await portFor(options);
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const { child, logFrom } = startDetached({
    command: join(owner.native, 'bin', 'postgres'),
    args: ['-D', data, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    logFile,
    cwd: owner.folder,
    env: programEnvironment(),
    ...identityOf(owner),
  });
  if (child.pid === undefined) throw cannotStart('its program could not be run', logFile);
  await untilReady({ pid: child.pid, port, password, logFile, logFrom });
  return { pid: child.pid, port, adopted: false, child };
}

/** @param {PostgresOptions} options */
async function portFor({ port, preferredPort = 8432, variable, say = () => {} }) {
  if (port !== undefined) return samePort({ what: 'Postgres', port });
  return choosePort({ what: 'Postgres', preferred: preferredPort, say, ...(variable === undefined ? {} : { variable }) });
}

/** @param {{pid: number, port: number, password: string, logFile: string, logFrom: number}} server */
async function untilReady({ pid, port, password, logFile, logFrom }) {
  let last = 'no answer';
  for (const end = Date.now() + START_MS; Date.now() < end; await delay(LOOK_MS)) {
    const client = new pg.Client({ connectionString: urlOf({ port, password, database: 'postgres' }), connectionTimeoutMillis: 5000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      await client.end().catch(() => {});
    }
    if (!isRunning(pid)) throw cannotStart(lastWords(logFile, logFrom) || 'it ended at once', logFile);
  }
  throw cannotStart(`it was not ready within ${START_MS / 1000} s (${last})`, logFile);
}

/** @param {{port: number, password: string, database: string}} wish */
async function ensureDatabase({ port, password, database }) {
  const client = new pg.Client({ connectionString: urlOf({ port, password, database: 'postgres' }) });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [database]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

/**
 * The number of the last postmaster, as its file says.
 * @param {string} data
 */
function notedPid(data) {
  const file = join(data, 'postmaster.pid');
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : 0;
  return pid > 0 ? pid : undefined;
}

/**
 * The postmaster on these data. A process number left in the file by a crash may belong to another program today.
 * @param {string} data
 */
function runningPid(data) {
  const pid = notedPid(data);
  return pid !== undefined && identify(pid)?.command.includes(data) ? pid : undefined;
}

/** @param {number} pid */
async function stopServer(pid) {
  // SIGINT is Postgres's fast shutdown; SIGQUIT leaves recovery to the next start.
  await endProcess({ pid, signal: 'SIGINT', last: 'SIGQUIT', graceMs: 15_000 });
}

/** @param {{port: number, password: string, database: string}} parts */
function urlOf({ port, password, database }) {
  return `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
}
