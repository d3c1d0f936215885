import { expect, it } from 'vitest';
import { get, post } from './support/requests.js';
import { openStage, passedThrough } from './support/stage.js';

const stage = await openStage();

type Timed = { readonly count: number; readonly ns: number };
type Stats = { readonly model_stats: readonly { readonly inference_stats: Readonly<Record<string, Timed>> }[] };

// perf_analyzer breaks off with "Server side statistics compute counts must be the same".
it('counts the parts of requests that had all of them, also where the model failed on some', async () => {
  const spec = { ...passedThrough, onnx: { input: 'features', output: 'prediction' }, output: { name: 'prediction' } };
  const gateway = await stage.serve([{ model: 'failing', version: '1.0.0', onnx: 'failing', spec }]);
  const ask = async (first: number): Promise<number> => {
    const inputs = [{ name: 'features', datatype: 'FP32', shape: [1, 2], data: [first, 0] }];
    return (await post(`${gateway.url}/v2/models/failing/infer`, { inputs })).status;
  };
  expect([await ask(1), await ask(500), await ask(2)]).toEqual([200, 500, 200]);
  const { body } = await get<Stats>(`${gateway.url}/v2/models/failing/stats`);
  for (const { inference_stats: stats } of body.model_stats) {
    const counts = ['success', 'fail', 'compute_input', 'compute_infer', 'compute_output'].map((part) => stats[part]!.count);
    expect(counts).toEqual([2, 1, 2, 2, 2]);
  }
});
