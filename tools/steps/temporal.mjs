import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { digestOf } from '../digest.mjs';
import { SetUpFailure } from '../failure.mjs';
import { fromSdk, workFolder } from './sdk-download.mjs';

const OLDEST_SERVER = [1, 29];
const OLDEST_GO = [1, 25];

/**
 * The Temporal dev server, from the first of: a server that runs elsewhere, a program that is on
 * this machine, the SDK's download, a build from the Go modules.
 * @type {import('./step.mjs').Step}
 */
export const temporal = {
  name: 'Temporal dev server',
  why: 'it keeps the durable state of every workflow; built from Go modules where its download cannot be reached (2 to 5 minutes)',
  megabytes: 3800,
  source: 'a Go module of the Temporal server',
  reach: 'go env GOPROXY',
  isWanted: ({ env, need }) => need.has('test') || !env.TEMPORAL_ADDRESS,
  digest: ({ places, env }) =>
    digestOf({ root: places.root, paths: ['tools/temporal/go.mod', 'tools/temporal/go.sum'], words: [env.TEMPORAL_CLI_PATH ?? ''] }),
  isThere: ({ places }) => existsSync(places.temporal),
  async make(context) {
    const { places } = context;
    const work = workFolder(places.temporal);
    const unfinished = join(work, 'temporal');
    const present = onThisMachine(context);
    if (present !== undefined) symlinkSync(present, unfinished);
    const note = present ?? (await download(context, unfinished)) ?? (await build(context, unfinished));
    renameSync(unfinished, places.temporal);
    rmSync(work, { recursive: true, force: true });
    return note;
  },
};

/**
 * The version of the server inside a `temporal` program; our own build calls itself
 * `0.0.0-DEV (Server 1.29.1, …)`, so the first number says nothing.
 * @param {string} program
 * @returns {string | undefined} undefined when it cannot be run
 */
export function serverVersion(program) {
  const { stdout, status } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? /Server (\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined;
}

/** @param {import('./step.mjs').Context} context */
function onThisMachine({ env, say }) {
  const asked = env.TEMPORAL_CLI_PATH;
  const found = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  for (const program of asked ? [resolve(asked), ...found] : found) {
    if (!existsSync(program)) {
      if (asked && program === resolve(asked)) say(`    TEMPORAL_CLI_PATH=${asked} is not there; looking elsewhere`);
      continue;
    }
    const version = serverVersion(program);
    if (version !== undefined && atLeast(version, OLDEST_SERVER)) return program;
    say(`    ${program} is passed over: its server is ${version ?? 'unknown'}, ${OLDEST_SERVER.join('.')} or newer is needed`);
  }
  return undefined;
}

/**
 * @param {import('./step.mjs').Context} context
 * @param {string} target
 */
async function download(context, target) {
  const program = await fromSdk({ artifact: 'cli', cachedName: 'temporal', folder: `${target}.download`, context });
  const version = program === undefined ? undefined : serverVersion(program);
  if (program === undefined || version === undefined || !atLeast(version, OLDEST_SERVER)) {
    context.say("    the SDK's download of the Temporal server cannot be reached or is too old; building it from its Go modules");
    return undefined;
  }
  if (program.startsWith(target)) renameSync(program, target);
  else symlinkSync(program, target);
  return `server ${version}, downloaded`;
}

/**
 * @param {import('./step.mjs').Context} context
 * @param {string} target
 */
async function build({ places, env, run, detail }, target) {
  refuseWithoutGo(env);
  let packages = 0;
  await run({
    command: 'go',
    args: ['build', '-v', '-trimpath', '-ldflags=-s -w', '-o', target, 'github.com/temporalio/cli/cmd/temporal'],
    cwd: join(places.root, 'tools', 'temporal'),
    // Its SQLite is written in Go, so no C compiler is needed.
    env: { ...env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOWORK: 'off' },
    onLine: (line) => {
      if (line.startsWith('go: downloading')) detail('downloading Go modules');
      else detail(`${(packages += 1)} of about 1,300 Go packages compiled`);
    },
  });
  return `server ${serverVersion(target)}, built from Go modules`;
}

/** @param {NodeJS.ProcessEnv} env */
function refuseWithoutGo(env) {
  const { stdout, status } = spawnSync('go', ['version'], { encoding: 'utf8', env });
  const version = status === 0 ? /go(\d+\.\d+)/.exec(stdout)?.[1] : undefined;
  if (version !== undefined && atLeast(version, OLDEST_GO)) return;
  throw new SetUpFailure({
    what: 'The Temporal dev server cannot be had',
    why: `its download (temporal.download) cannot be reached, and building it needs Go ${OLDEST_GO.join('.')} or newer: ${version === undefined ? 'no go is on the PATH' : `go is ${version}`}`,
    todo: `install Go ${OLDEST_GO.join('.')}, or put a temporal program on the PATH (or name it with TEMPORAL_CLI_PATH), or set TEMPORAL_ADDRESS to a running server`,
  });
}

/**
 * @param {string} version
 * @param {readonly number[]} oldest
 */
function atLeast(version, oldest) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldest;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}
