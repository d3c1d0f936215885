import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { jobKey, jobName } from '../../activities/job-name.js';
import { localCompute } from '../../adapters/compute/local.js';
import { testPlaces } from '../support/servers.js';
import { jobSpec, trainingWorld, until, untilJob, type TrainingWorld } from './world.js';

let world: TrainingWorld;
beforeEach(async () => {
  world = await trainingWorld();
});

const long = { n_estimators: 50_000, num_leaves: 7, learning_rate: 0.0005 };
const gone = (pid: number) => expect(() => process.kill(pid, 0)).toThrow('ESRCH');

describe('a job', () => {
  it('is absent, runs, and is completed, with its events readable from any place', async () => {
    expect(await world.compute.describe('job-a1')).toEqual({ status: 'absent' });
    await world.compute.start(await jobSpec(world));
    await untilJob(world, 'job-a1', 'completed');
    const all = await world.compute.events('job-a1', 0);
    expect(all.events.map((event) => event.kind)).toContain('progress');
    expect(all.events.at(-1)?.kind).toBe('result');
    expect(await world.compute.events('job-a1', all.next)).toEqual({ events: [], next: all.next });
    const second = await world.compute.events('job-a1', JSON.stringify(all.events[0]).length);
    expect(second.events.at(-1)).toEqual(all.events.at(-1));
  });

  it('is started once, however many start it', async () => {
    const spec = await jobSpec(world, { hyperparameters: long });
    const starts = await Promise.allSettled([1, 2, 3].map(() => world.compute.start(spec)));
    expect(starts.filter((start) => start.status === 'fulfilled')).toHaveLength(1);
    for (const start of starts) if (start.status === 'rejected') expect(start.reason).toMatchObject({ type: 'Conflict' });
    await world.compute.stop('job-a1');
  });

  it('is stopped by another process than its starter, and stopped again without harm', async () => {
    await world.compute.start(await jobSpec(world, { hyperparameters: long }));
    await world.compute.start(await jobSpec(world, { name: 'second-a1', checkpoint: 'second', hyperparameters: long }));
    const pids = ['job-a1', 'second-a1'].map(world.pid);
    const { home, trainers: trainersFolder, objects } = world;
    const other = localCompute({ home, trainersFolder, objects, python: testPlaces().python });
    expect((await other.stopAll()).toSorted()).toEqual(['job-a1', 'second-a1']);
    pids.forEach(gone);
    await other.stop('job-a1');
    await other.stop('never-started');
  });

  it('cannot write the checkpoint that another attempt is writing', async () => {
    await world.compute.start(await jobSpec(world, { hyperparameters: long }));
    await until(async () => (await world.compute.events('job-a1', 0)).events.some((event) => event.kind === 'progress'));
    await world.compute.start(await jobSpec(world, { name: 'job-a2', hyperparameters: long }));
    expect(await untilJob(world, 'job-a2', 'failed')).toMatchObject({
      kind: 'busy',
      reason: expect.stringContaining('another attempt of this job still runs'),
    });
    await world.compute.stop('job-a1');
  });

  it('sees nothing of the environment of its starter', async () => {
    process.env['SECRET_OF_THE_WORKER'] = 'hush';
    await world.compute.start(await jobSpec(world, { hyperparameters: long }));
    const environment = process.platform === 'linux' ? readFileSync(`/proc/${world.pid('job-a1')}/environ`, 'utf8') : '';
    await world.compute.stop('job-a1');
    expect(environment).not.toContain('hush');
  });
});

describe('a job whose starter died', () => {
  const halfStarted = (ageMs: number) => {
    const folder = join(world.home, 'jobs', 'half-a1');
    mkdirSync(join(folder, 'output'), { recursive: true });
    writeFileSync(join(folder, 'starter.json'), JSON.stringify({ pid: 1, started: 'another time' }));
    const then = new Date(Date.now() - ageMs);
    utimesSync(join(folder, 'starter.json'), then, then);
    return folder;
  };

  it('has a while to claim its process', async () => {
    halfStarted(0);
    expect(await world.compute.describe('half-a1')).toMatchObject({ status: 'running' });
  });

  it('then is given up, and never begins', async () => {
    const folder = halfStarted(60_000);
    expect(await world.compute.describe('half-a1')).toMatchObject({
      status: 'failed',
      kind: 'killed',
      reason: expect.stringContaining('never begun'),
    });
    expect(JSON.parse(readFileSync(join(folder, 'process.json'), 'utf8'))).toEqual({ pid: 0, started: '' });
  });
});

it('a process number that was given to somebody else is not the job', async () => {
  await world.compute.start(await jobSpec(world));
  await untilJob(world, 'job-a1', 'completed');
  const folder = join(world.home, 'jobs', 'job-a1');
  writeFileSync(join(folder, 'process.json'), JSON.stringify({ pid: process.pid, started: 'before' }));
  expect(await world.compute.describe('job-a1')).toMatchObject({ status: 'completed' });
});

it('keeps the newest of the jobs whose results are stored, and removes their checkpoints', async () => {
  const { home, trainers: trainersFolder, objects } = world;
  const compute = localCompute({ home, trainersFolder, objects, python: testPlaces().python, keep: 2 });
  const spec = await jobSpec(world, { hyperparameters: { n_estimators: 3 } });
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await compute.start({ ...spec, name, checkpoint: name });
    await untilJob(world, name, 'completed');
    if (name !== 'a') await compute.release(name);
  }
  await compute.prune();
  expect(world.jobNames().toSorted()).toEqual(['a', 'd', 'e']);
  expect(existsSync(join(home, 'jobs', '.checkpoints', 'e'))).toBe(false);
  expect(existsSync(join(home, 'jobs', '.checkpoints', 'a'))).toBe(true);
});

it('a Python that is not there fails the job, and says so', async () => {
  const { home, trainers: trainersFolder, objects } = world;
  const compute = localCompute({ home, trainersFolder, objects, python: '/nowhere/python' });
  await compute.start(await jobSpec(world));
  expect(await compute.describe('job-a1')).toMatchObject({
    status: 'failed',
    kind: 'environment',
    reason: expect.stringContaining('/nowhere/python'),
  });
});

it('leaves nothing visible of a job whose data is not in the store', async () => {
  const absent = { digest: `sha256:${'0'.repeat(64)}`, bytes: 1, mediaType: 'text/plain' };
  await expect(world.compute.start(await jobSpec(world, { channels: { train: absent } }))).rejects.toMatchObject({
    type: 'ArtifactRejected',
  });
  expect(world.jobNames()).toEqual([]);
  expect(await world.compute.describe('job-a1')).toEqual({ status: 'absent' });
});

describe('job names', () => {
  const identity = { model: 'demand.forecast', run: '20111001t000000z-1', purpose: 'trial-007', inputs: { a: 1 } };
  it.each([
    identity,
    { ...identity, model: 'm'.repeat(90), run: 'r'.repeat(90) },
    { ...identity, model: '--', run: 'manual/2011:10', purpose: '' },
  ])('fit SageMaker: %o', (given) => {
    expect(jobName({ ...given, attempt: 10 })).toMatch(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/);
  });

  it('tell apart what differs, and attempts of one job share a key', () => {
    expect(jobName({ ...identity, attempt: 2 })).toBe(`${jobKey(identity)}-a2`);
    expect(jobKey({ ...identity, inputs: { a: 2 } })).not.toBe(jobKey(identity));
    expect(jobKey({ ...identity })).toBe(jobKey(identity));
  });
});
