import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { SetUpFailure } from '../failure.mjs';
import { readJson, writeJson } from '../json-file.mjs';
import { readLog } from '../log-file.mjs';
import { choosePort, samePort } from '../ports.mjs';
import { endProcess, identify, isRunning, isSame, startDetached, untilEnded } from '../processes.mjs';
import { prepareNamespace, searchAttributes } from './temporal-namespace.mjs';

/**
 * @typedef {object} TemporalOptions
 * @property {string} folder its database, log and record lie here
 * @property {string} executable path of the `temporal` program
 * @property {string} [namespace]
 * @property {number} [preferredPort] 0 for any free one
 * @property {number} [preferredUiPort]
 * @property {{grpc: number, ui: number | undefined}} [ports] these and no others: others know them from before
 * @property {string} [variable] the environment variable that may ask for the port
 * @property {string} [uiVariable]
 * @property {boolean} [ui]
 * @property {boolean} [keep] false only for throw-away servers: everything is in memory
 * @property {(line: string) => void} [say]
 */

/**
 * @typedef {object} RunningTemporal
 * @property {string} address host:port
 * @property {string} namespace
 * @property {string | undefined} ui URL of the Web UI
 * @property {number} pid
 * @property {boolean} adopted it was running already, left by an earlier start
 * @property {string} logFile
 * @property {() => Promise<void>} stop
 * @property {() => Promise<string>} ended resolves at its end, however that comes, as `untilEnded` says it
 */

/**
 * The dev server throttles itself; with its defaults ten activities in a row take a second, and
 * timers come up to a second late. An activity of its workflow's own queue goes out with the answer to
 * the workflow task, which spares it a way through the server's queues.
 */
const dynamicConfig = Object.freeze([
  'system.enableActivityEagerExecution=true',
  'history.transferProcessorMaxPollRPS=2000',
  'history.transferProcessorMaxPollHostRPS=5000',
  'history.timerProcessorMaxTimeShift="50ms"',
  'frontend.enableServerVersionCheck=false',
]);

const START_MS = 60_000;
const LOOK_MS = 50;

/**
 * Starts the Temporal dev server on loopback, or adopts the one that already runs on this folder.
 * It goes on running when this process ends, however that happens.
 * @param {TemporalOptions} options
 * @returns {Promise<RunningTemporal>}
 * @throws {SetUpFailure} with the server's own last words when it cannot be started
 */
export async function startTemporal(options) {
  const { folder, namespace = 'default' } = options;
  mkdirSync(folder, { recursive: true });
  const logFile = join(folder, 'temporal.log');
  const { record, child, logFrom } = (await adopt(folder)) ?? (await start({ ...options, namespace, logFile }));
  const connection = await untilReady({ ...record, logFile, logFrom });
  try {
    await prepareNamespace({ connection, namespace });
  } finally {
    await connection.close();
  }
  return {
    address: record.address,
    namespace,
    ui: record.ui,
    pid: record.process.pid,
    adopted: record.adopted,
    logFile,
    stop: () => stopTemporal({ folder }),
    ended: () => untilEnded({ pid: record.process.pid, child }),
  };
}

/**
 * Stops the dev server that runs on this folder, whoever started it. Nothing happens when none does.
 * @param {{folder: string}} options
 */
export async function stopTemporal({ folder }) {
  const record = readRecord(folder);
  if (record === undefined || !isSame(record.process)) return;
  // Its own orderly end waits for open polls; the database file is safe without it.
  await endProcess({ pid: record.process.pid, signal: 'SIGTERM', graceMs: 3000 });
}

/**
 * Connects as soon as the server answers.
 * @param {string} address
 * @param {number} [withinMs]
 */
export async function connectTemporal(address, withinMs = 10_000) {
  return Connection.connect({ address, connectTimeout: withinMs });
}

/** @typedef {{process: {pid: number, started: string}, address: string, ui: string | undefined, adopted: boolean}} ServerRecord */

/**
 * @param {string} folder
 * @returns {ServerRecord | undefined}
 */
function readRecord(folder) {
  return readJson(join(folder, 'server.json'));
}

/** @param {string} folder */
async function adopt(folder) {
  const record = readRecord(folder);
  if (record === undefined || !isSame(record.process)) return undefined;
  try {
    const connection = await connectTemporal(record.address, 5000);
    await connection.close();
    return { record: { ...record, adopted: true }, child: undefined, logFrom: 0 };
  } catch {
    // It runs but does not answer: the next one needs its database file.
    await stopTemporal({ folder });
    return undefined;
  }
}

/**
 * @param {TemporalOptions & {namespace: string, logFile: string}} options
 * @returns {Promise<{record: ServerRecord, child: import('node:child_process').ChildProcess, logFrom: number}>}
 */
async function start(options) {
  const { folder, executable, namespace, logFile, ui = true, keep = true } = options;
  const ports = await choosePorts(options);
  const { child, logFrom } = startDetached({
    command: executable,
    args: [
      'server',
      'start-dev',
      '--ip=127.0.0.1',
      `--port=${ports.grpc}`,
      `--namespace=${namespace}`,
      '--log-format=json',
      '--log-level=warn',
      ...(ui ? ['--ui-port', String(ports.ui)] : ['--headless']),
      ...(keep ? ['--db-filename', join(folder, 'temporal.db')] : []),
      ...dynamicConfig.flatMap((value) => ['--dynamic-config-value', value]),
      ...(keep ? [] : ['--dynamic-config-value', 'system.namespaceCacheRefreshInterval="200ms"']),
      ...searchAttributes.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    logFile,
    cwd: folder,
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity === undefined) throw cannotStart(lastWords(logFile, logFrom) || `${executable} could not be run`, logFile);
  const record = {
    process: identity,
    address: `127.0.0.1:${ports.grpc}`,
    ui: ui ? `http://127.0.0.1:${ports.ui}` : undefined,
    adopted: false,
  };
  writeJson(join(folder, 'server.json'), record);
  return { record, child, logFrom };
}

/** @param {TemporalOptions} options */
async function choosePorts({ ports, preferredPort = 7233, preferredUiPort = 8233, variable, uiVariable, ui = true, say = () => {} }) {
  if (ports !== undefined) {
    const grpc = await samePort({ what: 'Temporal', port: ports.grpc });
    return { grpc, ui: ports.ui === undefined ? undefined : await samePort({ what: 'the Temporal Web UI', port: ports.ui }) };
  }
  const grpc = await choosePort({ what: 'Temporal', preferred: preferredPort, say, ...named(variable) });
  if (!ui) return { grpc, ui: undefined };
  const wish = { what: 'the Temporal Web UI', preferred: preferredUiPort, say, except: new Set([grpc]) };
  return { grpc, ui: await choosePort({ ...wish, ...named(uiVariable) }) };
}

/** @param {string | undefined} variable */
function named(variable) {
  return variable === undefined ? {} : { variable };
}

/** @param {ServerRecord & {logFile: string, logFrom: number}} server */
async function untilReady({ process: { pid }, address, logFile, logFrom }) {
  let last = 'no answer';
  for (const end = Date.now() + START_MS; Date.now() < end; await delay(LOOK_MS)) {
    try {
      return await connectTemporal(address, 1000);
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    if (!isRunning(pid)) throw cannotStart(lastWords(logFile, logFrom) || 'it ended at once', logFile);
  }
  throw cannotStart(`it was not ready within ${START_MS / 1000} s (${last})`, logFile);
}

/**
 * What the server said last that is for people; its own log lines are JSON.
 * @param {string} logFile
 * @param {number} from
 */
function lastWords(logFile, from) {
  const lines = readLog(logFile, from).trim().split('\n');
  return lines.findLast((line) => !line.startsWith('{')) ?? '';
}

/**
 * @param {string} why
 * @param {string} logFile
 */
function cannotStart(why, logFile) {
  return new SetUpFailure({
    what: 'The Temporal dev server could not be started',
    why,
    todo: `read ${logFile}, or set TEMPORAL_ADDRESS to a running server`,
  });
}
