import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { testPlaces } from '../support/servers.js';
import { activitiesOf, trainInput, trainingWorld, until } from './world.js';

it('a trainer outlives its worker, and the next attempt attaches to it', async () => {
  const world = await trainingWorld();
  const input = await trainInput(world, {
    hyperparameters: { objective: 'poisson', n_estimators: 3_000, num_leaves: 7, learning_rate: 0.005 },
  });
  const outfile = join(world.home, 'worker.mjs');
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await build({
    entryPoints: [join(root, 'test', 'training', 'dying-worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['@temporalio/*'],
    logLevel: 'error',
    alias: { '@temporalio/activity': join(root, 'test', 'training', 'no-temporal.ts') },
  });
  const options = { home: world.home, python: testPlaces().python, trainersFolder: world.trainers };
  const worker = spawn(process.execPath, [outfile, JSON.stringify(options), JSON.stringify(input)], { stdio: 'inherit' });
  const ended = once(worker, 'exit');
  const began = async () => {
    const [name] = world.jobNames();
    if (name === undefined) return false;
    return (await world.compute.events(name, 0)).events.some((event) => event.kind === 'progress');
  };
  await until(async () => worker.exitCode !== null || (await began().catch(() => false)));
  worker.kill('SIGKILL');
  await ended;
  const [job] = world.jobNames();
  const pid = world.pid(job!);
  expect(await world.compute.describe(job!)).toMatchObject({ status: 'running' });

  const trained = await activitiesOf(world).trainModel(input);
  expect(world.jobNames()).toEqual([job]);
  expect(world.pid(job!)).toBe(pid);
  expect(await world.objects.has(trained.onnx.digest)).toBe(true);
  expect(JSON.parse(Buffer.from(await world.objects.get(trained.manifest.digest)).toString())).toMatchObject({ rounds: 3_000 });
});
