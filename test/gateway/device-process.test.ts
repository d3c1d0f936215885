import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { linearModel } from './support/onnx-builder.js';

/**
 * Speaks for ONNX Runtime on a card that is not here: takes 64 MiB for its driver, refuses a model of more than 1 KiB as
 * the CUDA provider does, and answers any run with the environment that it was given.
 */
const card = `
  import { statSync } from 'node:fs';
  let driver = null;
  const empty = () => ({ kind: 'empty', virtualBytes: 1e12, residentBytes: process.memoryUsage.rss(), cpuSeconds: 0 });
  const full = 'CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);';
  const value = (name) => ({ name, type: 'float32', shape: [-1] });
  const answers = {
    use: ({ executionProviders }) => {
      driver = { executionProviders, memory: Buffer.alloc(64 * 1024 * 1024, 1) };
      return new Promise((done) => setTimeout(() => done(empty()), 100));
    },
    load: ({ path }) =>
      statSync(path).size > 1024 ? { kind: 'failed', reason: full } : { kind: 'loaded', inputs: [value('x')], outputs: [value('y')], ms: 1 },
    run: () => {
      const said = JSON.stringify({ env: process.env, executionProviders: driver.executionProviders });
      return { kind: 'ran', outputs: { said: { type: 'string', dims: [1], data: [said] } }, runsMs: [1], bytes: 1, peakBytes: 1 };
    },
    unload: empty,
  };
  process.on('message', async (call) => process.send(await answers[call.kind](call)));
  process.on('disconnect', () => process.exit(0));
  process.send(empty());
`;
const limits = { memoryBytes: 32 * 1024 * 1024, limitMs: 20_000 };
const on = { provider: 'cuda', name: 'cuda:1', index: 1 } as const;

describe('the process of a trial on a device', () => {
  let folder = '';
  let trials: ReturnType<typeof createModelTrials>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'perennial-card-'));
    await writeFile(join(folder, 'card.mjs'), card);
    process.env['PERENNIAL_TEST_SECRET'] = 'a secret';
    trials = createModelTrials({
      program: join(folder, 'card.mjs'),
      deviceVariables: { LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '1,2' },
    });
  });
  afterAll(async () => {
    delete process.env['PERENNIAL_TEST_SECRET'];
    await trials.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is told the device and the variables of drivers, and nothing else of the environment', async () => {
    const trial = await trials.open(linearModel(7), limits, on);
    const { outputs } = await trial.run({}, 1);
    const { env, executionProviders } = JSON.parse((outputs['said']!.data as string[])[0]!) as {
      env: Record<string, string>;
      executionProviders: unknown;
    };
    expect(executionProviders).toEqual([{ name: 'cuda', deviceId: 1 }, { name: 'cpu' }]);
    expect(env).toMatchObject({ LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '1,2' });
    expect(Object.keys(env).filter((name) => name.startsWith('PERENNIAL') || name === 'HOME' || name === 'PATH')).toEqual([]);
    await trial.close();
  });

  it('may take memory for its driver that no version is blamed for', async () => {
    expect(await trials.probe(on, limits)).toBeNull();
    await (await trials.open(linearModel(7), limits, on)).close();
  });

  it('tells the memory of a device from its own', async () => {
    await expect(trials.open(linearModel(7, 4096), limits, on)).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringMatching(/^model\.onnx does not load: the device ran out of memory: CUDA failure 2: out of memory/),
    });
  });

  it('is another one for what follows on the CPU', async () => {
    const [first, second] = [await trials.open(linearModel(7), limits, on), await trials.open(linearModel(7), limits, on)];
    await Promise.all([first.close(), second.close()]);
    const cpu = await trials.open(linearModel(7), { ...limits, memoryBytes: 1024 ** 3 });
    // Nobody told this one of a device.
    await expect(cpu.run({}, 1)).rejects.toMatchObject({ type: 'ArtifactRejected' });
    await cpu.close();
  });
});
