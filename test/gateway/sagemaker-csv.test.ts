import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage, passedThrough } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

const ownTensors = (input: string, output: string) => ({ ...passedThrough, onnx: { input, output }, output: { name: output } });
const iris = fileURLToPath(new URL('../conformance/models/iris.onnx', import.meta.url));

beforeAll(async () => {
  await stage.addLive({ model: 'open', version: '1.0.0', onnx: 'identity-float', spec: ownTensors('x', 'y') });
  gateway = await stage.serve([{ model: 'iris', version: '1.0.0', onnx: iris, spec: ownTensors('measures', 'logits') }]);
});

async function invoke(model: string, body: string) {
  const answer = await fetch(`${gateway.url}/endpoints/${model}/invocations`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'text/csv' },
  });
  return { status: answer.status, text: await answer.text() };
}

describe('CSV for an input of several values a row', () => {
  it('takes a cell for each of them', async () => {
    const { status, text } = await invoke('iris', '1,0,0,0\n0,10,0,0\n');
    const rows = text
      .trim()
      .split('\n')
      .map((line) => line.split(',').map((cell) => Math.fround(Number(cell))));
    expect([status, rows]).toEqual([200, [[0, 0.1, 0.2].map(Math.fround), [3, 4, 5]]]);
  });

  it('takes all cells where the size is open', async () => {
    expect(await invoke('open', '1,2\n3,4')).toEqual({ status: 200, text: '1,2\n3,4\n' });
  });

  it('refuses rows with more or fewer cells, and cells that are no numbers', async () => {
    const few = await invoke('iris', '1,0,0,0\n1,0,0');
    expect([few.status, few.text]).toEqual([400, expect.stringContaining('row 1 has 3 values: 4 are expected (measures)')]);
    expect((await invoke('open', '1,2\n3')).status).toBe(400);
    expect((await invoke('iris', '1,0,0,x')).text).toContain('a number is expected');
    expect((await invoke('iris', '1,0,0,0')).status).toBe(200);
  });
});
