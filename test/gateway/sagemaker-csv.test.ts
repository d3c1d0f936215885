import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage, passedThrough } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

const ownTensors = (input: string, output: string) => ({ ...passedThrough, onnx: { input, output }, output: { name: output } });
const iris = fileURLToPath(new URL('../conformance/models/iris.onnx', import.meta.url));

beforeAll(async () => {
  await stage.addFixture('mixed');
  await stage.addLive({ model: 'open', version: '1.0.0', onnx: 'identity-float', spec: ownTensors('x', 'y') });
  gateway = await stage.serve([{ model: 'iris', version: '1.0.0', onnx: iris, spec: ownTensors('measures', 'logits') }]);
});

async function invoke(model: string, body: string | Uint8Array) {
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

describe('cells', () => {
  it.each([
    ['spaces around cells', ' 1 ,\t"2" \n3 , 4', '1,2\n3,4\n'],
    ['a mark of the order of bytes', '\ufeff1,2', '1,2\n'],
    ['signs and exponents', '+1,-2.5e-1', '1,-0.25\n'],
  ])('%s are taken', async (_, body, text) => {
    expect(await invoke('open', body)).toEqual({ status: 200, text });
  });

  it.each([
    ['a quote within a cell', '1"2,3', 'a quote stands within a cell'],
    ['a quote that does not close', '1,"2', 'a quote does not close'],
    ['more behind a quoted cell', '"1"2,3', 'a quote does not close'],
    ['a number that is none in CSV', '0x10,2', '"0x10": a number is expected'],
    ['no number at all', '1,', '"": a number is expected'],
  ])('%s: 400 with the reason', async (_, body, reason) => {
    const { status, text } = await invoke('open', body);
    expect([status, (JSON.parse(text) as { message: string }).message]).toEqual([400, expect.stringContaining(reason)]);
  });

  it('keep text as it stands between quotes, and integers to their last digit', async () => {
    const { status, text } = await invoke('mixed', '1,2,9007199254740993,true,"a ""b"", c"');
    expect([status, text]).toEqual([200, expect.stringContaining(',9007199254740993,false,')]);
    // Written as it is read: what comes back can be sent again.
    expect(text.trim().endsWith(',"a ""b"", c"')).toBe(true);
  });

  it('that are not UTF-8 are refused', async () => {
    expect((await invoke('mixed', Buffer.from('1,2,3,true,\xe9', 'latin1'))).status).toBe(400);
  });

  // Read by a regular expression, each of these would keep the gateway busy for hours.
  it.each([
    ['spaces before a cell that is none', `${' '.repeat(1_000_000)}1"`],
    ['quotes', '"'.repeat(1_000_001)],
    ['digits', `${'1'.repeat(1_000_000)}x`],
    ['an integer', '1'.repeat(1_000_000)],
  ])('of a million characters take no time: %s', async (_, cell) => {
    expect((await invoke('mixed', `1,2,${cell},true,a`)).status).toBe(400);
    expect((await invoke('open', '1,2')).status).toBe(200);
  });
});
