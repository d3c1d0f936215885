import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelTrial, ModelTrials } from '../../activities/trial-ports.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { GatewaySettings } from '../../gateway/gateway-config.js';
import { agree, comparedRows, tellingRows } from '../../gateway/models/trees/agreement.js';
import { CompiledTrees } from '../../gateway/models/trees/compiled-trees.js';
import { readTreeEnsemble } from '../../gateway/models/trees/tree-ensemble.js';
import { tryTrees } from '../../gateway/models/trees/tried-trees.js';
import type { ServingPlan } from '../../gateway/plans/serving-plan.js';
import { bytesField, floatTensor } from './support/onnx-builder.js';
import { get, post } from './support/requests.js';
import { identity, openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';
import type { TreeModel } from './support/tree-model.js';
import { treeModel } from './support/tree-model.js';

const stage = await openStage();
const small: TreeModel = { trees: 5, leaves: 4, width: 2 };

async function byOnnxRuntime(model: Uint8Array, rows: Float32Array, width: number): Promise<Float32Array> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const { prediction } = await session.run({ features: new Tensor('float32', rows, [rows.length / width, width]) });
  await session.release();
  return prediction!.data as Float32Array;
}

describe('compiled trees', () => {
  it.each<[string, TreeModel]>([
    ['of one leaf', { ...small, trees: 1, leaves: 1 }],
    ['that are few', small],
    ['that fill their groups', { ...small, trees: 16 }],
    ['that are many and large', { trees: 300, leaves: 31, width: 20 }],
    ['that are deep', { trees: 9, leaves: 400, width: 7 }],
    ['of as many features as there is room for', { trees: 20, leaves: 31, width: 256 }],
    ['that ask for less', { trees: 40, leaves: 15, width: 5, modes: ['BRANCH_LT'] }],
    ['that ask for more', { trees: 40, leaves: 15, width: 5, modes: ['BRANCH_GT', 'BRANCH_GTE'] }],
    [
      'that ask by turns',
      { trees: 40, leaves: 15, width: 5, modes: ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GT', 'BRANCH_GTE'], absentYes: true },
    ],
    ['that know of absent values', { trees: 40, leaves: 15, width: 5, absentYes: true }],
    ['upon a base', { trees: 40, leaves: 15, width: 5, base: 0.7 }],
    ['that are handed on', { ...small, after: ['Identity', 'Identity'] }],
  ])('%s answer what ONNX Runtime answers, bit by bit', async (_, wish) => {
    const model = treeModel(wish);
    const ensemble = (await readTreeEnsemble(model))!;
    const rows = tellingRows(ensemble, wish.width);
    const expected = await byOnnxRuntime(model, rows, wish.width);
    const trees = new CompiledTrees(ensemble, wish.width);
    const answered = trees.answer(rows);
    expect(new Int32Array(answered.buffer)).toEqual(new Int32Array(expected.slice().buffer));
    // One row alone, after many, is no other row.
    for (const row of [0, 65, comparedRows - 1])
      expect(trees.answer(rows.subarray(row * wish.width, (row + 1) * wish.width))).toEqual(answered.slice(row, row + 1));
    if (wish.leaves > 1) expect(new Set(answered).size).toBeGreaterThan(3);
  });

  it('whose sum goes through an exponential answer the same but for the last place', async () => {
    const wish = { trees: 60, leaves: 31, width: 6, after: ['Exp'] };
    const model = treeModel(wish);
    const ensemble = (await readTreeEnsemble(model))!;
    const rows = tellingRows(ensemble, 6);
    const expected = await byOnnxRuntime(model, rows, 6);
    expect(agree(ensemble, new CompiledTrees(ensemble, 6).answer(rows), expected)).toBe(true);
    expect(
      agree(
        ensemble,
        expected.map((value) => value * 1.000_001),
        expected,
      ),
    ).toBe(false);
  });

  it.each<[string, TreeModel]>([
    ['classify', { ...small, operator: 'TreeEnsembleClassifier' }],
    ['answer several numbers', { ...small, attributes: { n_targets: 2 } }],
    ['are averaged', { ...small, attributes: { aggregate_function: 'AVERAGE' } }],
    ['change their sum by themselves', { ...small, attributes: { post_transform: 'LOGISTIC' } }],
    ['ask whether values are equal', { ...small, modes: ['BRANCH_EQ'] }],
    ['have numbers of 64 bits', { ...small, attributes: { nodes_values_as_tensor: 1 } }],
    ['go through another operator', { ...small, after: ['Sqrt'] }],
    ['go in a circle', { ...small, trees: 1, attributes: { nodes_truenodeids: { integers: [0, 0, 0, 0, 0, 0, 0] } } }],
    ['lead to nowhere', { ...small, trees: 1, attributes: { nodes_falsenodeids: { integers: [9, 9, 9, 9, 9, 9, 9] } } }],
    ['lack a leaf', { ...small, attributes: { target_weights: { floats: [1] } } }],
    ['have a node twice', { ...small, trees: 1, attributes: { nodes_nodeids: { integers: [0, 1, 2, 3, 4, 5, 5] } } }],
    ['have ids that are far apart', { ...small, trees: 1, attributes: { nodes_treeids: { integers: Array(7).fill(2 ** 31) } } }],
    ['have no nodes', { ...small, attributes: { nodes_treeids: { integers: [] } } }],
    ['have a threshold that is no number', { ...small, trees: 1, attributes: { nodes_values: { floats: Array(7).fill(NaN) } } }],
    ['stand beside weights', { ...small, more: [bytesField(5, floatTensor('weights', [1], Float32Array.of(1)))] }],
  ])('are not made of trees that %s', async (_, wish) => {
    expect(await readTreeEnsemble(treeModel(wish))).toBeNull();
  });

  it('have room for so many features', async () => {
    const ensemble = (await readTreeEnsemble(treeModel(small)))!;
    expect(() => new CompiledTrees(ensemble, 257)).toThrow('more than compiled trees have room for');
    expect(() => new CompiledTrees(ensemble, 1)).toThrow('more than compiled trees have room for');
  });
});

const served = treeModel({ trees: 300, leaves: 31, width: 20, absentYes: true });
const asked = tellingRows((await readTreeEnsemble(served))!, 20).subarray(0, 2_000);

describe('a model whose file the reader of trees cannot read', () => {
  it('is left to ONNX Runtime, which has loaded it', async () => {
    const plan = { sample: () => ({ features: { type: 'float32', dims: [1, 2], data: new Float32Array(2) } }) } as unknown as ServingPlan;
    expect(await tryTrees(Buffer.from([0x3a, 0xff]), { plan, trial: {} as ModelTrial })).toBeNull();
  });
});

describe('a gateway that serves trees', () => {
  const spec = { ...identity, onnx: { input: 'features', output: 'prediction' }, output: { name: 'prediction' } };
  const trials = createModelTrials({ program: trialProgram() });
  afterAll(() => trials.close());

  async function serve(name: string, settings: Partial<GatewaySettings>, of: ModelTrials = trials) {
    const onnx = join(stage.folder, 'trees.onnx');
    writeFileSync(onnx, served);
    await stage.addLive({ model: name, version: '1.0.0', onnx, spec });
    const gateway = await stage.start({ ...settings, folder: join(stage.folder, name) }, { trials: of });
    const route = await get<{ loaded: { engine: string; placement: string; run_ms: number }[] }>(`${gateway.url}/v2/models/${name}/route`);
    const tensor = { name: 'features', datatype: 'FP32', shape: [100, 20], data: Array.from(asked) };
    const { body } = await post<{ outputs: { data: number[] }[] }>(`${gateway.url}/v2/models/${name}/infer`, { inputs: [tensor] });
    return { loaded: route.body.loaded[0]!, answers: body.outputs[0]!.data };
  }

  it('compiles them, says so, and answers what it answers without', async () => {
    const compiled = await serve('compiled', {});
    const plain = await serve('plain', { compileTrees: false });
    expect(compiled.loaded).toMatchObject({ engine: 'compiledTrees', placement: 'inPlace' });
    expect(plain.loaded.engine).toBe('onnxRuntime');
    expect(compiled.answers).toHaveLength(100);
    expect(compiled.answers).toEqual(plain.answers);
  });

  it('leaves them to ONNX Runtime where that answers otherwise in the trial, if only in the last place', async () => {
    const otherwise: ModelTrials = {
      ...trials,
      async open(...args) {
        const trial = await trials.open(...args);
        return {
          ...trial,
          async run(feeds, times) {
            const ran = await trial.run(feeds, times);
            const { prediction } = ran.outputs;
            const values = (prediction!.data as Float32Array).slice();
            new Int32Array(values.buffer)[values.length - 1]!++;
            return { ...ran, outputs: { prediction: { ...prediction!, data: values } } };
          },
        };
      },
    };
    const { loaded, answers } = await serve('doubted', {}, otherwise);
    expect(loaded.engine).toBe('onnxRuntime');
    expect(answers).toHaveLength(100);
  });
});
