import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { RequestError } from '../../gateway/http/request-error.js';
import { elementTypes } from '../../gateway/models/tensors.js';
import { BodyReader } from '../../gateway/oip/body-reader.js';
import { readInferBody } from '../../gateway/oip/infer-body.js';
import type { InferRequest } from '../../gateway/oip/oip-request.js';
import { tensorData } from '../../gateway/oip/tensor-elements.js';
import { ask, get, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const maxJsonDepth = 100;
const inThread = new BodyReader({ maxJsonDepth, threadBytes: 0, program: null });
afterAll(() => inThread.close());

const input = (datatype: string, shape: string, data: string) =>
  `{"inputs":[{"name":"x","datatype":"${datatype}","shape":${shape},"data":${data}}]}`;

const bodies: readonly (readonly [what: string, body: string])[] = [
  ['a flat list of floats', input('FP32', '[2,2]', '[1,2.5,-3e-7,4]')],
  ['floats row by row', input('FP32', '[2,2]', '[[1,2.5],[-3e-7,4]]')],
  ['floats of three dimensions', input('FP64', '[1,2,2]', '[[[1,2],[3,4.25]]]')],
  ['floats with outputs asked for', `{"id":"a","outputs":[{"name":"y"}],${input('FP32', '[2]', '[1,2]').slice(1)}`],
  ['parameters', `{"parameters":{"priority":1,"key":"k"},${input('FP32', '[1]', '[1]').slice(1)}`],
  ['integers', input('INT32', '[3]', '[1,-2,2147483647]')],
  ['integers row by row', input('INT16', '[2,1]', '[[1],[-2]]')],
  ['integers of 64 bits', input('INT64', '[3]', '[9007199254740993,-1,9223372036854775807]')],
  ['integers of 64 bits, unsigned', input('UINT64', '[2]', '[18446744073709551615,0]')],
  ['an integer of 64 bits that was written with an exponent', input('INT64', '[1]', '[1e19]')],
  ['a fraction for an integer', input('INT64', '[1]', '[1.5]')],
  ['an integer beyond its range', input('UINT8', '[1]', '[256]')],
  ['truths', input('BOOL', '[2]', '[true,false]')],
  ['a number for a truth', input('BOOL', '[1]', '[1]')],
  ['texts', input('BYTES', '[2]', '["a","\\u00e9 \\ud83d\\ude00"]')],
  ['a number for a text', input('BYTES', '[1]', '[7]')],
  ['texts among numbers', input('FP32', '[2]', '[1,"2"]')],
  ['null', input('FP32', '[1]', '[null]')],
  ['a scalar', input('FP32', '[]', '7')],
  ['no elements', input('FP32', '[0]', '[]')],
  ['too few elements', input('FP32', '[3]', '[1,2]')],
  ['ragged rows', input('FP32', '[2,2]', '[[1,2],[3]]')],
  ['deeper than its shape', input('FP32', '[1]', '[[1]]')],
  ['data that is no list', input('FP32', '[1]', '{"a":1}')],
  ['a name twice', '{"inputs":[],"inputs":[]}'],
  ['__proto__', `{"__proto__":{"a":1},${input('FP32', '[1]', '[1]').slice(1)}`],
  ['no inputs', '{"inputs":[]}'],
  ['no JSON', '{"inputs":['],
  ['a list', '[]'],
  ['nothing', ''],
  ['too deep', `${'['.repeat(200)}${']'.repeat(200)}`],
];

/** What becomes of a body: the elements of its inputs by their datatype and the rows as they were written, or the refusal. */
async function outcome(read: () => ReturnType<BodyReader['read']>): Promise<unknown> {
  try {
    const body = await read();
    if (body.kind === 'raw') throw new Error('no raw body is tried');
    const { id, parameters, outputs, inputs } = body.request;
    return { id, parameters, outputs, inputs: inputs.map((given) => elements(body.request, given)) };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return { kind: error.kind, message: error.message };
  }
}

function elements(request: InferRequest, given: InferRequest['inputs'][number]) {
  const { name, datatype, shape, rowTexts } = given;
  const data = tensorData(request, given, elementTypes[datatype]!);
  return {
    name,
    datatype,
    shape,
    data,
    texts: rowTexts === undefined ? null : Array.from({ length: shape[0]! }, (_, row) => rowTexts.list(row)),
  };
}

describe('a body that is read in a thread', () => {
  test.each(bodies)('%s: is what it is when it is read at once', async (_what, text) => {
    const given = { body: Buffer.from(text), headLength: undefined };
    expect(await outcome(() => inThread.read(given))).toEqual(await outcome(() => readInferBody(given, maxJsonDepth)));
  });

  test('comes back where the thread cannot be had', async () => {
    const reader = new BodyReader({ maxJsonDepth, threadBytes: 0, program: '/nowhere/body-thread.js' });
    const read = await reader.read({ body: Buffer.from(input('FP32', '[1]', '[7]')), headLength: undefined });
    expect(read).toMatchObject({ kind: 'request', request: { inputs: [{ name: 'x' }] } });
    await reader.close();
  });
});

describe('a gateway that is sent large bodies', async () => {
  const stage = await openStage();
  for (const fixture of ['mixed', 'every-type']) await stage.addFixture(fixture);
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { bodyThreadBytes: 1_000 });
  const url = `${gateway.url}/v2/models/demand/infer`;

  test('answers each row, others meanwhile, and captures them all', async () => {
    const rows = Array.from({ length: 1_234 }, (_, i) => [i % 90, i % 7] as const);
    const large = post(url, pairs(rows));
    expect((await ask(gateway, 'demand', [1, 2])).status).toBe(200);
    const { status, body } = await large;
    expect(status).toBe(200);
    expect(body.outputs[0]!.data).toEqual(rows.map(([a, b]) => a + 10 * b));
    expect((await post(`${gateway.url}/v2/captures/flush`, {})).status).toBe(200);
    expect(stage.registry.stored.filter(({ id }) => id.startsWith(String(body.id).replace(/-0$/, '')))).toHaveLength(rows.length);
  });

  test('refuses one that is small on the wire and millions of lists when it is unpacked', async () => {
    const text = input('FP32', '[1,2]', `[${'[1],'.repeat(9_000_000)}[1]]`);
    const packed = gzipSync(text, { level: 9 });
    expect(packed.length).toBeLessThan(64 * 1024);
    const answer = await fetch(url, {
      method: 'POST',
      body: packed,
      headers: { 'content-encoding': 'gzip', 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('more than 500000 lists and objects');
    expect((await get(`${gateway.url}/v2/health/ready`)).status).toBe(200);
    expect((await ask(gateway, 'demand', [3, 4])).status).toBe(200);
  });

  test.each([
    ['/v1/models/demand:predict', `{"instances":[${'{},'.repeat(600_000)}{}]}`],
    ['/endpoints/demand/invocations', `{"instances":[${'[1],'.repeat(600_000)}[1]]}`],
    ['/v2/models/demand/generate', `{"a":[${'[],'.repeat(600_000)}[]]}`],
  ])('refuses such a body at %s too', async (path, body) => {
    const answer = await fetch(`${gateway.url}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('lists and objects');
  });

  test('refuses more values than it has room for', async () => {
    const body = input('FP32', '[1,8000002]', `[${'1,'.repeat(8_000_001)}"x"]`);
    const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('more than 8000000 values');
  });
});
