import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { explain } from './explain.mjs';
import { describeFailure } from './failure.mjs';
import { readJson, writeJson } from './json-file.mjs';
import { withLock } from './lock.mjs';
import { checkDisk, checkNode } from './machine.mjs';
import { placesFor } from './places.mjs';
import { createProgress } from './progress.mjs';
import { createRunner } from './run-command.mjs';
import { bikeshare } from './steps/bikeshare.mjs';
import { build, buildFolder } from './steps/build.mjs';
import { packages } from './steps/packages.mjs';
import { python, pythonForConformance, pythonForFrameworks, pythonForProxy, pythonForRivals, pythonForTests } from './steps/python.mjs';
import { temporal } from './steps/temporal.mjs';
import { testServer } from './steps/test-server.mjs';

/** @typedef {import('./steps/step.mjs').Step} Step */
/** @typedef {import('./steps/step.mjs').Need} Need */

/** The longest first: the others finish beside it. */
const steps = Object.freeze([
  temporal,
  packages,
  python,
  bikeshare,
  { ...pythonForTests, isWanted: (/** @type {import('./steps/step.mjs').Context} */ { need }) => need.has('test') },
  { ...pythonForProxy, isWanted: (/** @type {import('./steps/step.mjs').Context} */ { need }) => need.has('test') },
  { ...pythonForRivals, isWanted: (/** @type {import('./steps/step.mjs').Context} */ { need }) => need.has('rivals') },
  {
    ...pythonForConformance,
    isWanted: (/** @type {import('./steps/step.mjs').Context} */ { need }) => need.has('conformance'),
  },
  {
    ...pythonForFrameworks,
    isWanted: (/** @type {import('./steps/step.mjs').Context} */ { need }) => need.has('conformance'),
  },
  testServer,
  build,
]);

/**
 * Makes what is missing, and only that. An interrupted one goes on where it was.
 * @param {{need?: readonly Need[], env?: NodeJS.ProcessEnv, stream?: NodeJS.WriteStream}} [options]
 * @returns {Promise<{places: import('./places.mjs').Places, build: string, made: string[], seconds: number}>} `build` is the folder of the bundles
 * @throws {import('./failure.mjs').SetUpFailure} one message: what, why, what to do
 */
export async function setUp({ need = ['run', 'build'], env = process.env, stream = process.stderr } = {}) {
  const start = Date.now();
  checkNode();
  const places = placesFor(env);
  const wanted = { places, env, need: new Set(need) };
  const made = missing(wanted).length === 0 ? [] : await withSetUpLock(wanted, stream);
  return { places, build: buildFolder(places), made, seconds: (Date.now() - start) / 1000 };
}

const WAITING = 'waiting';

/** @typedef {{places: import('./places.mjs').Places, env: NodeJS.ProcessEnv, need: ReadonlySet<Need>}} Wanted */

/**
 * @param {Wanted} wanted
 * @param {NodeJS.WriteStream} stream
 */
async function withSetUpLock(wanted, stream) {
  mkdirSync(wanted.places.bin, { recursive: true });
  const progress = createProgress({ stream, title: `Setting up in ${wanted.places.tools} (only what is missing)` });
  const interrupted = new AbortController();
  const stop = (/** @type {NodeJS.Signals} */ signal) => interrupted.abort(new Interrupted(signal));
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await withLock(join(wanted.places.tools, 'setup.lock'), () => makeAll(wanted, progress, interrupted), {
      onWait: (pid) => progress.begin(WAITING, `another set-up (process ${pid}) is at work here`),
    });
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    progress.end();
  }
}

/** Ctrl-C, or another polite end from outside. */
class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`set-up was interrupted by ${signal}; the next start goes on where it was`);
  }
}

/**
 * @param {Wanted} wanted
 * @param {ReturnType<typeof createProgress>} progress
 * @param {AbortController} stop
 */
async function makeAll(wanted, progress, stop) {
  progress.drop(WAITING);
  const runner = createRunner({ record: join(wanted.places.tools, 'setup-commands.json'), signal: stop.signal });
  await runner.endLeftovers();
  const todo = missing(wanted);
  /** @type {(step: Step) => import('./steps/step.mjs').Context} */
  const contextOf = (step) => ({
    ...wanted,
    run: runner.run,
    say: progress.say,
    detail: (detail) => progress.detail(step.name, detail),
    signal: stop.signal,
  });
  checkDisk({ folder: wanted.places.tools, megabytes: todo.reduce((sum, step) => sum + step.megabytes, 0), env: wanted.env });
  for (const step of todo) await step.check?.(contextOf(step));
  /** @type {Map<string, Promise<void>>} */
  const going = new Map();
  for (const step of todo) {
    const earlier = (step.after ?? []).map((name) => going.get(name) ?? Promise.resolve());
    const work = Promise.all(earlier).then(() => makeOne({ step, context: contextOf(step), progress }));
    // The first failure ends the others, which the next start goes on with.
    work.catch((error) => stop.abort(error));
    going.set(step.name, work);
  }
  await Promise.allSettled(going.values());
  stop.signal.throwIfAborted();
  return todo.map((step) => step.name);
}

/** @param {{step: Step, context: import('./steps/step.mjs').Context, progress: ReturnType<typeof createProgress>}} work */
async function makeOne({ step, context, progress }) {
  context.signal.throwIfAborted();
  progress.begin(step.name, step.why);
  try {
    const digest = await step.digest(context);
    const note = await step.make(context);
    writeJson(stampOf(step, context.places), { digest });
    progress.done(step.name, note ?? undefined);
  } catch (error) {
    progress.drop(step.name);
    context.signal.throwIfAborted();
    const { source, reach } = step;
    throw explain({
      what: `${step.name}: could not be made`,
      error,
      ...(source === undefined ? {} : { source }),
      ...(reach === undefined ? {} : { reach }),
    });
  }
}

/**
 * The steps whose output is not there, or was made from other inputs.
 * @param {Wanted} wanted
 * @returns {Step[]}
 */
function missing(wanted) {
  const context = { ...wanted, run: unavailable, say: () => {}, detail: () => {}, signal: new AbortController().signal };
  return steps.filter((step) => {
    if (step.isWanted?.(context) === false) return false;
    if (!step.isThere(context)) return true;
    const digest = step.digest(context);
    if (readJson(stampOf(step, wanted.places))?.digest === digest) return false;
    // A lockfile that was installed by hand is there without our stamp; isThere has compared it.
    return step !== packages && step !== build;
  });
}

/** @returns {Promise<never>} */
async function unavailable() {
  throw new Error('no command runs while looking for what is missing');
}

/**
 * @param {Step} step
 * @param {import('./places.mjs').Places} places
 */
function stampOf(step, places) {
  return join(places.stamps, `${step.name.replaceAll(' ', '-').toLowerCase()}.json`);
}

/**
 * Set-up as a program would have it: failures are one message and exit code 1.
 * @param {Parameters<typeof setUp>[0]} [options]
 */
export async function setUpOrExit(options) {
  try {
    return await setUp(options);
  } catch (error) {
    process.stderr.write(`${error instanceof Interrupted ? error.message : describeFailure(error)}\n`);
    process.exit(error instanceof Interrupted ? 130 : 1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  /** @type {Need[]} */
  const need = ['run'];
  if (process.argv.includes('--tests')) need.push('test');
  if (!process.argv.includes('--no-build')) need.push('build');
  const { made, seconds } = await setUpOrExit({ need });
  process.stderr.write(made.length === 0 ? `Everything is there (${seconds.toFixed(2)} s)\n` : `Ready in ${seconds.toFixed(1)} s\n`);
}
