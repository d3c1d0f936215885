import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { get, post, until } from './support/requests.js';
import { identity, openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';
import { treeModel } from './support/tree-model.js';

const trials = createModelTrials({ program: trialProgram() });
afterAll(() => trials.close());

it('the latency of a shadow has no wait in it that the requests beside it do not have', async () => {
  const stage = await openStage();
  const onnx = join(stage.folder, 'trees.onnx');
  writeFileSync(onnx, treeModel({ trees: 20, leaves: 8, width: 2 }));
  const spec = { ...identity, onnx: { input: 'features', output: 'prediction' }, output: { name: 'prediction' } };
  for (const version of ['1.0.0', '1.0.1']) await stage.addVersion({ model: 'trees', version, onnx, spec });
  stage.registry.setRoute({ model: 'trees', variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1' });
  const gateway = await stage.start({}, { trials });

  const { body: route } = await get<{ loaded: { engine: string }[] }>(`${gateway.url}/v2/models/trees/route`);
  expect(route.loaded.map(({ engine }) => engine)).toEqual(['compiledTrees', 'compiledTrees']);
  const request = { inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] };
  const answers = await Promise.all(Array.from({ length: 40 }, () => post(`${gateway.url}/v2/models/trees/infer`, request)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));

  let metrics = '';
  const figure = (name: string, version: string): number =>
    Number(new RegExp(`^${name}\\{[^}]*model_name="trees"[^}]*version="${version}"[^}]*\\} (\\S+)$`, 'm').exec(metrics)?.[1]);
  await until(async () => {
    metrics = (await get<string>(`${gateway.url}/metrics`)).body;
    return figure('gateway_queue_seconds_count', '1.0.1') === 40;
  });
  expect(figure('gateway_queue_seconds_count', '1.0.0')).toBe(40);
  expect(figure('gateway_queue_seconds_sum', '1.0.0')).toBe(0);
  expect(figure('gateway_queue_seconds_sum', '1.0.1')).toBe(0);
});
