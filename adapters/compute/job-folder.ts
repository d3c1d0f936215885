import { link, mkdir, readFile, readdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import type { JobSpec, ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { ProcessIdentity } from './process-identity.js';

/**
 * A job's folder: the SageMaker layout (`input`, `model`, `checkpoints`, `output`) and the job's own records:
 * `process.json` (written once, by the job itself, or by whoever gives the job up), `exit.json` (written at its end),
 * `starter.json`, `stdout.jsonl`, `stderr.txt`, `released` (its results are stored).
 */
export const jobFiles = {
  process: 'process.json',
  exit: 'exit.json',
  starter: 'starter.json',
  stdout: 'stdout.jsonl',
  stderr: 'stderr.txt',
  released: 'released',
  failure: join('output', 'failure'),
} as const;

/** Checkpoints of all attempts, by key; the leading dot keeps them apart from jobs. */
export const checkpointFolder = (jobs: string, key: string) => join(jobs, '.checkpoints', key);

/**
 * Writes the whole folder under another name and renames it: a reader sees no job or all of it, and of two starters one
 * gets `Conflict`. Objects come verified out of the store.
 */
export async function prepareJob(input: {
  jobs: string;
  spec: JobSpec;
  objects: Pick<ObjectStore, 'getFile'>;
  starter: ProcessIdentity;
}): Promise<void> {
  const { jobs, spec, objects, starter } = input;
  const temporary = join(jobs, `.prepare-${spec.name}-${randomUUID()}`);
  const checkpoints = checkpointFolder(jobs, spec.checkpoint);
  await mkdir(checkpoints, { recursive: true });
  try {
    const config = join(temporary, 'input', 'config');
    await mkdir(config, { recursive: true });
    await mkdir(join(temporary, 'model'));
    await mkdir(join(temporary, 'output'));
    await symlink(join('..', '.checkpoints', spec.checkpoint), join(temporary, 'checkpoints'));
    // SageMaker hands every hyperparameter over as text.
    const texts = Object.fromEntries(Object.entries(spec.hyperparameters).map(([name, value]) => [name, String(value)]));
    const channels = Object.fromEntries(
      Object.keys(spec.channels).map((name) => [name, { TrainingInputMode: 'File', ContentType: 'application/vnd.apache.parquet' }]),
    );
    await writeJson(join(config, 'hyperparameters.json'), texts);
    await writeJson(join(config, 'inputdataconfig.json'), channels);
    await writeJson(join(config, 'perennial.json'), spec.inputConfig);
    for (const [channel, object] of Object.entries(spec.channels)) {
      const folder = join(temporary, 'input', 'data', channel);
      await mkdir(folder, { recursive: true });
      await objects.getFile(object.digest, join(folder, 'data.parquet'));
    }
    await writeJson(join(temporary, 'spec.json'), spec);
    await writeJson(join(temporary, jobFiles.starter), starter);
    await renameOnce(temporary, join(jobs, spec.name), spec.name);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Takes the place of the job's process, so that a job that never began never will. False when the job was quicker. */
export async function giveUp(folder: string): Promise<boolean> {
  const mine = join(folder, `.process.${randomUUID()}`);
  await writeJson(mine, { pid: 0, started: '' });
  try {
    await link(mine, join(folder, jobFiles.process));
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await unlink(mine);
  }
}

/** A JSON record of the job, or null when it is not there (yet). */
export async function readRecord<T>(folder: string, file: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(join(folder, file), 'utf8')) as T;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

/** When the job was last heard of, epoch milliseconds: its newest output, or its beginning. */
export async function lastSignMs(folder: string): Promise<number> {
  const times = await Promise.all(
    [jobFiles.stdout, jobFiles.stderr, jobFiles.process, jobFiles.starter].map(async (file) => {
      const found = await stat(join(folder, file)).catch(() => null);
      return found?.mtimeMs ?? 0;
    }),
  );
  return Math.max(...times);
}

/** Names of all jobs below the folder. */
export async function jobNames(jobs: string): Promise<string[]> {
  const entries = await readdir(jobs, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
}

/** Whether an error of the file system has this code. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function renameOnce(from: string, to: string, name: string): Promise<void> {
  try {
    // A folder that is not empty is never replaced, and a job's folder never is empty.
    await rename(from, to);
  } catch (error) {
    if (!isCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    throw new PerennialError('Conflict', `training job ${name} exists already: describe it and attach to it, or start the next attempt`);
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, JSON.stringify(value));
}
