import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { access, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Compute, JobSpec, JobState, ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { checkpointFolder, giveUp, isCode, jobFiles, jobNames, lastSignMs, prepareJob, readRecord } from './job-folder.js';
import { lastLines, readEvents, readFailure } from './job-output.js';
import { isAlive, startedAt, type ProcessIdentity } from './process-identity.js';

export type LocalComputeOptions = {
  /** Jobs lie below `<home>/jobs`. */
  readonly home: string;
  /** Python of the trainers' environment. */
  readonly python: string;
  /** Holds `<trainer>/train.py` and `common/`. */
  readonly trainersFolder: string;
  readonly objects: Pick<ObjectStore, 'getFile'>;
  /** Threads of one job; all cores otherwise. A small table is trained on one whatever this says. */
  readonly threads?: number;
  /** How long a job may take to save and end after SIGTERM. */
  readonly stopGraceMs?: number;
  /** Ended jobs whose folders stay for a person to look at. */
  readonly keep?: number;
};

/** Compute of this machine, and what `up` needs besides: an end to everything. */
export type LocalCompute = Compute & {
  /** The job's results are stored: its checkpoint goes, and its folder may be pruned. */
  release(name: string): Promise<void>;
  /** Ends every job that runs, whoever started it. */
  stopAll(): Promise<string[]>;
  /** Removes the folders of old jobs that ended, but for the newest. */
  prune(): Promise<void>;
};

const namePattern = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
const dayMs = 24 * 3_600_000;
/** A job whose starter died claims its process within this time, or was never begun. */
const claimWithinMs = 10_000;

/**
 * Training jobs as detached child processes. They outlive this process; each has its folder, output in files, and its
 * process id with start time. What is known of a job is read from the folder each time, so any process on this machine
 * may describe, follow and stop any job.
 */
export function localCompute(options: LocalComputeOptions): LocalCompute {
  const jobs = join(options.home, 'jobs');
  const folderOf = (name: string) => join(jobs, name);

  async function describe(name: string): Promise<JobState> {
    const folder = folderOf(name);
    const own = await readRecord<ProcessIdentity>(folder, jobFiles.process);
    if (own === null) return describeUnclaimed(folder);
    if (own.pid !== 0 && (await isAlive(own))) return { status: 'running', lastSignMs: await lastSignMs(folder) };
    return describeEnded(folder, own.pid === 0);
  }

  async function start(spec: JobSpec): Promise<void> {
    if (!namePattern.test(spec.name)) {
      throw new PerennialError(
        'TrainerFailed',
        `training job name ${JSON.stringify(spec.name)}: expected 1 to 63 letters, digits and single hyphens`,
      );
    }
    const program = await findProgram(options.trainersFolder, spec.trainer);
    const starter = { pid: process.pid, started: (await startedAt(process.pid)) ?? '' };
    await prepareOrExplain(spec, starter);
    await launch(spec.name, program);
    await prune();
  }

  async function prepareOrExplain(spec: JobSpec, starter: ProcessIdentity): Promise<void> {
    try {
      await mkdir(jobs, { recursive: true });
      await prepareJob({ jobs, spec, objects: options.objects, starter });
    } catch (error) {
      if (error instanceof PerennialError || !(error instanceof Error)) throw error;
      const message = `training job ${spec.name} cannot be prepared below ${jobs}: ${error.message}; free space there or correct its rights`;
      throw new PerennialError('Unavailable', message, { cause: error });
    }
  }

  /** Answers when the job has claimed its process, or has ended, or could not begin. */
  async function launch(name: string, program: string): Promise<void> {
    const folder = folderOf(name);
    const [output, errors] = [openSync(join(folder, jobFiles.stdout), 'a', 0o600), openSync(join(folder, jobFiles.stderr), 'a', 0o600)];
    // Nothing of this process's environment: it holds addresses and keys that are none of a trainer's business.
    const env = {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      PERENNIAL_SM_ROOT: folder,
      OMP_NUM_THREADS: String(options.threads ?? availableParallelism()),
    };
    const launcher = join(options.trainersFolder, 'common', 'launch.py');
    // Isolated: neither PYTHONPATH nor packages of the user. Own process group, so that a stop reaches all of it.
    const child = spawn(options.python, ['-I', launcher, folder, program], {
      cwd: folder,
      env,
      detached: true,
      stdio: ['ignore', output, errors],
    });
    closeSync(output);
    closeSync(errors);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`));
    });
    child.unref();
    let reason: string | undefined;
    void ended.then((why) => (reason = why));
    while ((await readRecord(folder, jobFiles.process)) === null) {
      if (reason !== undefined && (await giveUp(folder))) {
        await writeFile(
          join(folder, jobFiles.failure),
          `environment: ${options.python} could not begin ${program}: ${reason}; set up the Python environment again`,
        );
      }
      await delay(10);
    }
    lowerPriority(child.pid);
  }

  async function stop(name: string): Promise<void> {
    const folder = folderOf(name);
    if ((await describe(name)).status !== 'running') return;
    if ((await readRecord(folder, jobFiles.process)) === null && (await giveUp(folder))) return;
    const own = await readRecord<ProcessIdentity>(folder, jobFiles.process);
    if (own === null || own.pid === 0) return;
    const graceMs = options.stopGraceMs ?? 10_000;
    if (
      !(await endGroup(own, { signal: 'SIGTERM', withinMs: graceMs })) &&
      !(await endGroup(own, { signal: 'SIGKILL', withinMs: graceMs }))
    ) {
      throw new PerennialError(
        'Unavailable',
        `training job ${name} (process ${own.pid}) does not end, not even killed; look at it with ps ${own.pid}`,
      );
    }
  }

  async function prune(): Promise<void> {
    const ended: { folder: string; atMs: number }[] = [];
    for (const name of await jobNames(jobs)) {
      const folder = folderOf(name);
      const found = await stat(folder).catch(() => null);
      if (found === null) continue;
      const released = await exists(join(folder, jobFiles.released));
      if (!released && Date.now() - found.mtimeMs < dayMs) continue;
      if ((await describe(name)).status !== 'running') ended.push({ folder, atMs: found.mtimeMs });
    }
    ended.sort((a, b) => b.atMs - a.atMs);
    for (const { folder } of ended.slice(options.keep ?? 20)) await rm(folder, { recursive: true, force: true });
    await sweep(jobs, '.prepare-', 3_600_000);
    await sweep(join(jobs, '.checkpoints'), '', 7 * dayMs);
  }

  return {
    describe,
    start,
    stop,
    prune,
    events: (name, offset) => readEvents(folderOf(name), offset),
    async release(name) {
      const spec = await readRecord<JobSpec>(folderOf(name), 'spec.json');
      if (spec === null) return;
      await writeFile(join(folderOf(name), jobFiles.released), '');
      await rm(checkpointFolder(jobs, spec.checkpoint), { recursive: true, force: true });
    },
    async stopAll() {
      const names = await jobNames(jobs);
      const running = await Promise.all(names.map(async (name) => ((await describe(name)).status === 'running' ? [name] : [])));
      await Promise.all(running.flat().map(stop));
      return running.flat();
    },
  };
}

/** No process yet: it is being started, or its starter died before the job could begin. */
async function describeUnclaimed(folder: string): Promise<JobState> {
  const starter = await readRecord<ProcessIdentity>(folder, jobFiles.starter);
  if (starter === null) return { status: 'absent' };
  const signMs = await lastSignMs(folder);
  if ((await isAlive(starter)) || Date.now() - signMs < claimWithinMs) return { status: 'running', lastSignMs: signMs };
  return (await giveUp(folder)) ? describeEnded(folder, true) : { status: 'running', lastSignMs: signMs };
}

async function describeEnded(folder: string, neverBegan: boolean): Promise<JobState> {
  const exit = await readRecord<{ code: number }>(folder, jobFiles.exit);
  if (exit?.code === 0) return { status: 'completed', folder };
  const [told, lines] = await Promise.all([readFailure(folder), lastLines(folder)]);
  const [, kind, message] = /^(\w+): (.*)$/s.exec(told ?? '') ?? [];
  if (kind !== undefined && message !== undefined) return { status: 'failed', kind, reason: message, lastLines: lines };
  if (neverBegan) return { status: 'failed', kind: 'killed', reason: 'it was never begun: its starter died', lastLines: lines };
  if (exit === null)
    return { status: 'failed', kind: 'killed', reason: 'its process was killed (by hand, or for want of memory)', lastLines: lines };
  if (exit.code === 143) return { status: 'failed', kind: 'stopped', reason: 'it was asked to stop', lastLines: lines };
  return { status: 'failed', kind: 'crash', reason: told ?? `it ended with code ${exit.code}`, lastLines: lines };
}

async function findProgram(trainersFolder: string, trainer: string): Promise<string> {
  const program = join(trainersFolder, trainer, 'train.py');
  if (/^[a-z][a-z0-9-]*$/.test(trainer) && (await exists(program))) return program;
  const entries = await readdir(trainersFolder).catch(() => []);
  const known = (
    await Promise.all(entries.map(async (name) => ((await exists(join(trainersFolder, name, 'train.py'))) ? [name] : [])))
  ).flat();
  throw new PerennialError(
    'TrainerFailed',
    `trainer ${JSON.stringify(trainer)}: there is no ${program}; this machine has ${known.join(', ') || 'no trainers'}`,
  );
}

/** Signals the whole group and waits; answers whether the process is gone. */
async function endGroup(own: ProcessIdentity, { signal, withinMs }: { signal: NodeJS.Signals; withinMs: number }): Promise<boolean> {
  try {
    process.kill(-own.pid, signal);
  } catch (error) {
    if (!isCode(error, 'ESRCH')) throw error;
  }
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 25) {
    if (!(await isAlive(own))) return true;
    await delay(25);
  }
  return !(await isAlive(own));
}

/** Serving goes first where both want the same core. */
function lowerPriority(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, 5);
  } catch {
    // It has ended already.
  }
}

async function sweep(folder: string, prefix: string, olderThanMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => null);
    if (name.startsWith(prefix) && found !== null && Date.now() - found.mtimeMs > olderThanMs) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
