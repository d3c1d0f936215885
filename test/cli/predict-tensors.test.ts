import { beforeAll, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { identity, openStage, passedThrough } from '../gateway/support/stage.js';
import { emptyHome, run } from './run.js';

const stage = await openStage();
let gateway: Gateway;
beforeAll(async () => {
  const spec = { ...passedThrough, onnx: { input: 'picture', output: 'scores' }, output: { name: 'scores' } };
  await stage.addLive({ model: 'seen', version: '1.0.0', onnx: 'picture', spec });
  gateway = await stage.serve([{ model: 'wide', version: '1.0.0', onnx: 'identity-float', spec: identity }]);
});

async function predict(model: string, input: object): Promise<string> {
  const { code, stdout, stderr } = await run(['predict', model, '--input', '-'], {
    env: { PERENNIAL_HOME: emptyHome(), PERENNIAL_GATEWAY_URL: gateway.url, PERENNIAL_TOKEN: 'any' },
    stdin: JSON.stringify({ inputs: [{ datatype: 'FP32', ...input }] }),
  });
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

test('predict shows of each row all values of a tensor, or its first', async () => {
  const values = 3 * 224 * 224;
  const data = [1, 2].flatMap((value) => Array.from({ length: values }, () => value));
  const shown = await predict('seen', { name: 'picture', shape: [2, 3, 224, 224], data });
  expect(shown).toMatch(/\[1, 1, 1, 1, … 150,528 values\] +\[1, 1, 1\] .*\n.*\[2, 2, 2, 2, … 150,528 values\] +\[2, 2, 2\] /);
});

test('predict shows the same of flat and of nested data, and a single value as it is', async () => {
  const x = { name: 'x', shape: [1, 3] };
  for (const data of [[1, 2, 3], [[1, 2, 3]]]) expect(await predict('wide', { ...x, data })).toMatch(/^\[1, 2, 3\] +\[1, 2, 3\] /m);
  expect(await predict('wide', { name: 'x', shape: [1, 1], data: [7] })).toMatch(/^7 +7 /m);
});
