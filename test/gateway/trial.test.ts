import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { GatewaySettings } from '../../gateway/gateway-config.js';
import { bestRows } from '../../gateway/models/first-runs.js';
import { placeModel } from '../../gateway/models/placement.js';
import {
  bytesField,
  externalTensor,
  graphOf,
  linearModel,
  message,
  modelOf,
  node,
  textField,
  withAttribute,
} from './support/onnx-builder.js';
import { ask, get, pairs, post } from './support/requests.js';
import type { PackageSpec } from './support/stage.js';
import { openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';

const trialMemoryBytes = 300 * 1024 * 1024;

/** A served champion, and the acknowledgement of a canary with this challenger. */
async function canaryOf(challenger: Omit<PackageSpec, 'model' | 'version'>, settings: Partial<GatewaySettings> = {}) {
  const stage = await openStage();
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { trialMemoryBytes, ...settings });
  await stage.addVersion({ model: 'demand', version: '1.0.1', ...challenger });
  const variants = [
    { version: '1.0.0', weight: 0.5 },
    { version: '1.0.1', weight: 0.5 },
  ];
  const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model: 'demand', variants }));
  return { stage, gateway, ack };
}

describe('a version whose first runs', () => {
  it.each<{ they: string; challenger: Omit<PackageSpec, 'model' | 'version'>; reason: RegExp; settings?: Partial<GatewaySettings> }>([
    {
      they: 'crash the native runtime, on zeros alone',
      challenger: { onnx: 'crashing', example: pairs([[5, 0]]) },
      reason: /crashed the process .*SIGFPE/,
    },
    { they: 'crash it on the example', challenger: { onnx: 'crashing', example: pairs([[0, 0]]) }, reason: /crashed the process .*SIGFPE/ },
    { they: 'never end', challenger: { onnx: 'endless' }, reason: /took longer than 2000 ms/, settings: { loadLimitMs: 2_000 } },
    { they: 'eat memory', challenger: { onnx: 'hungry' }, reason: /needs more than 300 MiB of memory/ },
    { they: 'answer NaN', challenger: { onnx: 'not-a-number', example: pairs([[-5, 0]]) }, reason: /answered NaN/ },
    {
      they: 'answer nothing but NaN, with no example to show it by,',
      challenger: { onnx: 'never-a-number' },
      reason: /no finite numbers, neither to zeros nor to a request that is made of its inputs/,
    },
    {
      they: 'need more than the gateway may hold',
      challenger: { onnx: 'slow' },
      reason: /takes \d+ MiB of memory, and all models of this gateway may take 8 MiB/,
      settings: { memoryBudgetBytes: 8 * 1024 * 1024 },
    },
  ])('$they is refused with that reason, and the old one goes on', async ({ challenger, reason, settings }) => {
    const { gateway, ack, stage } = await canaryOf(challenger, settings);
    expect(ack.refused).toMatch(reason);
    for (let i = 0; i < 20; i++) expect(await ask(gateway, 'demand')).toMatchObject({ status: 200, body: { model_version: '1.0.0' } });
    // The process of the trial is no part of what serves: the next version is tried as if nothing had been.
    await stage.addVersion({ model: 'demand', version: '1.0.2', onnx: 'linear-plus-1000', example: pairs([[1, 2]]) });
    const next = await stage.registry.acknowledged(
      stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.2', weight: 1 }] }),
    );
    expect(next.refused).toBeNull();
    expect(await ask(gateway, 'demand', [1, 2])).toMatchObject({ body: { model_version: '1.0.2', outputs: [{ data: [1021] }] } });
  });

  it('refuse zeros only is served: zeros need not mean anything to it', async () => {
    const { ack } = await canaryOf({ onnx: 'failing', example: pairs([[5, 0]]) });
    expect(ack.refused).toBeNull();
  });

  it('prove it says where it runs, and why', async () => {
    const { gateway } = await canaryOf({ onnx: 'slow' });
    const { body } = await get<{ loaded: { version: string; placement: string; because: string; memory_bytes: number }[] }>(
      `${gateway.url}/v2/models/demand/route`,
    );
    expect(body.loaded.find(({ version }) => version === '1.0.0')).toMatchObject({
      placement: 'inPlace',
      because: expect.stringMatching(/^a run takes 0\.\d+ ms, at most 0.3 ms run in place$/),
    });
    const slow = body.loaded.find(({ version }) => version === '1.0.1')!;
    expect(slow).toMatchObject({
      placement: 'thread',
      because: expect.stringMatching(/more than the 0.3 ms that run in place; \d thread/),
    });
    expect(slow.memory_bytes).toBeGreaterThan(12 * 1024 * 1024);
  });
});

describe('a model file that keeps tensors in other files', () => {
  const outside = externalTensor('weights', '/etc/passwd');
  const run = node('MatMul', ['features', 'weights'], ['prediction']);
  const subgraph = graphOf({ nodes: [run], tensors: [outside] });
  const branch = withAttribute(node('If', ['c'], ['prediction']), message(textField(1, 'then_branch'), bytesField(6, subgraph)));
  const constantNode = withAttribute(node('Constant', [], ['weights']), message(textField(1, 'value'), bytesField(5, outside)));
  const sparse = message(bytesField(1, outside));
  it.each([
    ['an initializer', modelOf(graphOf({ nodes: [run], tensors: [outside] }))],
    ['a subgraph', modelOf(graphOf({ nodes: [branch] }))],
    ['a constant', modelOf(graphOf({ nodes: [constantNode, run] }))],
    ['a sparse initializer', modelOf(graphOf({ nodes: [run], more: [bytesField(15, sparse)] }))],
    ['a function', modelOf(graphOf({ nodes: [run] }), bytesField(25, message(textField(1, 'f'), bytesField(7, constantNode))))],
    ['an attribute of a function', modelOf(graphOf({ nodes: [run] }), bytesField(25, bytesField(11, message(bytesField(5, outside)))))],
    ['the training part', modelOf(graphOf({ nodes: [run] }), bytesField(20, bytesField(1, subgraph)))],
  ])('in %s is refused before anything loads it', async (_, bytes) => {
    const stage = await openStage();
    const file = join(stage.folder, 'outside.onnx');
    await writeFile(file, bytes);
    await stage.serve([{ model: 'demand', version: '1.0.0', onnx: file }]);
    expect(stage.registry.acks).toMatchObject([
      { refused: expect.stringMatching(/keeps tensor "weights" in another file \(.*\/etc\/passwd\), which is not signed with it/) },
    ]);
  });
});

describe('trials', () => {
  const limits = { memoryBytes: trialMemoryBytes, limitMs: 20_000 };
  const trials = createModelTrials({ program: trialProgram(), atOnce: 1 });
  const watched = createModelTrials({ program: trialProgram(), prlimit: '/nonexistent/prlimit' });
  afterAll(() => Promise.all([trials.close(), watched.close()]));
  const row = { features: { type: 'float32', dims: [1, 2], data: new Float32Array([1, 2]) } };
  const fixture = async (name: string) => (await import('node:fs/promises')).readFile(new URL(`fixtures/${name}.onnx`, import.meta.url));

  it('measure what a model holds, also in a process that others were in before', async () => {
    const ballast = 32 * 1024 * 1024;
    for (const bytes of [ballast, 0, ballast]) {
      const trial = await trials.open(linearModel(7, bytes), limits);
      const ran = await trial.run(row, 3);
      await trial.close();
      expect(ran.outputs).toMatchObject({ prediction: { dims: [1, 1], data: Float32Array.of(28) } });
      expect(ran.runsMs).toHaveLength(3);
      expect(ran.bytes).toBeGreaterThanOrEqual(bytes * 0.9);
      expect(ran.bytes).toBeLessThan(bytes * 1.5 + 8 * 1024 * 1024);
      expect(ran.peakBytes).toBeGreaterThanOrEqual(ran.bytes);
    }
  });

  it('hold the limits where the system sets none', async () => {
    const trial = await watched.open(await fixture('hungry'), limits);
    await expect(trial.run(row, 1)).rejects.toThrow('needs more than 300 MiB of memory');
    await trial.close();
  });

  it('take turns, and a crash leaves the next one its turn', async () => {
    const crashing = await fixture('crashing');
    const good = linearModel(0);
    const zeros = { features: { ...row.features, data: new Float32Array(2) } };
    const outcomes = await Promise.all(
      [crashing, good, crashing, good].map(async (file) => {
        const trial = await trials.open(file, limits);
        try {
          return await trial.run(zeros, 1).then(
            () => 'ran',
            () => 'crashed',
          );
        } finally {
          await trial.close();
        }
      }),
    );
    expect(outcomes).toEqual(['crashed', 'ran', 'crashed', 'ran']);
  });

  it('refuse what is no ONNX file, without a process', async () => {
    const broken = createModelTrials({ program: '/nonexistent/program.mjs' });
    for (const bytes of [Buffer.from(''), Buffer.from('no model'), Buffer.from('xxxxORTMxxxx'), Buffer.alloc(1000, 255)])
      await expect(broken.open(bytes, limits)).rejects.toMatchObject({
        type: 'ArtifactRejected',
        message: expect.stringContaining('does not load'),
      });
    await expect(broken.open(linearModel(0), limits)).rejects.toMatchObject({ type: 'Unavailable' });
  });
});

describe('the place of a model', () => {
  const limits = {
    inPlaceMaxMs: 0.3,
    inPlaceLoadMaxMs: 100,
    inPlaceTurnMs: 5,
    threadRunMs: 100,
    maxThreads: 7,
    maxBatchRows: 256,
    memoryBudgetBytes: 4e9,
  };
  const cost = { loadMs: 5, runMs: 0.05, rowMs: 0.001, bestRows: Infinity, bytes: 1e6, peakBytes: 2e6 };

  it('is chosen by its cost', () => {
    expect(placeModel(cost, limits)).toMatchObject({ where: 'inPlace', threads: 0, maxRows: 256, lanes: 8 });
    expect(placeModel({ ...cost, rowMs: 0.1 }, limits)).toMatchObject({ where: 'inPlace', maxRows: 50, lanes: 1 });
    expect(placeModel({ ...cost, bestRows: 64 }, limits)).toMatchObject({ where: 'inPlace', maxRows: 64 });
    expect(placeModel({ ...cost, loadMs: 500 }, limits)).toMatchObject({ where: 'thread', threads: 1 });
    expect(placeModel({ ...cost, loadMs: 500 }, limits, 'compiledTrees')).toMatchObject({ where: 'inPlace' });
    expect(placeModel({ ...cost, runMs: 20 }, limits)).toMatchObject({ where: 'thread', threads: 7, lanes: 7, maxRows: 256 });
    expect(placeModel({ ...cost, runMs: 20, rowMs: 20 }, limits)).toMatchObject({ maxRows: 5 });
    expect(placeModel({ ...cost, runMs: 500, rowMs: 500 }, limits)).toMatchObject({ maxRows: 1 });
    expect(placeModel({ ...cost, runMs: 20, bytes: 4e8 }, limits)).toMatchObject({
      threads: 2,
      because: expect.stringContaining('memory for 2'),
    });
  });

  it('has large requests cut, so that others get their turn in between', async () => {
    const stage = await openStage();
    // One row a run: 2,000 rows are 2,000 runs.
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { inPlaceTurnMs: 0 });
    const rows = Array.from({ length: 2_000 }, (_, i) => [i % 900, 0] as const);
    const large = post(`${gateway.url}/v2/models/demand/infer`, pairs(rows)).then((answer) => ({ ...answer, at: performance.now() }));
    // Health answers on another connection while the large request is at work.
    let between = 0;
    let done = false;
    void large.finally(() => (done = true));
    while (!done) {
      await get(`${gateway.url}/v2/health/live`);
      between++;
    }
    const { status, body } = await large;
    expect(status).toBe(200);
    expect(body.outputs[0]!.data).toEqual(rows.map(([a]) => a));
    expect(between).toBeGreaterThan(3);
  });
});

describe('the largest batch', () => {
  it('is the largest that costs little more a row than the cheapest', () => {
    const sizes = (...ms: number[]) => ms.map((value, i) => ({ rows: [32, 64, 128, 256][i]!, ms: value }));
    expect(bestRows(sizes(0.08, 0.16, 0.5, 1.3))).toBe(64);
    expect(bestRows(sizes(0.08, 0.16, 0.3, 0.55))).toBe(256);
    expect(bestRows(sizes(0.08, 0.2, 0.3, 0.62))).toBe(256);
    expect(bestRows(sizes(0.08))).toBe(32);
  });
});
