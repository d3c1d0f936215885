import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import type { BinaryTensor } from './support/binary.js';
import { binaryBody, bytesOf, postBytes, textsOf } from './support/binary.js';
import { ask, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const fixture of ['identity-float', 'identity-half', 'identity-text', 'identity-cube', 'mixed', 'every-type'])
    await stage.addFixture(fixture);
  gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
});

const url = (model: string): string => `${gateway.url}/v2/models/${model}/infer`;
const floats = (...values: number[]): Float32Array => new Float32Array(values);

async function infer(model: string, inputs: readonly BinaryTensor[], more: Record<string, unknown> = {}) {
  const { body, headers } = binaryBody(inputs, more);
  return postBytes(url(model), body, headers);
}

async function nextGoodRequestIsAnswered(): Promise<void> {
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
}

describe('binary tensors', () => {
  const numbers: [string, string, ArrayBufferView][] = [
    ['int8', 'INT8', Int8Array.of(-128, 127)],
    ['int16', 'INT16', Int16Array.of(-32_768, 32_767)],
    ['int32', 'INT32', Int32Array.of(-2_147_483_648, 2_147_483_647)],
    ['int64', 'INT64', BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
    ['uint8', 'UINT8', Uint8Array.of(0, 255)],
    ['uint16', 'UINT16', Uint16Array.of(0, 65_535)],
    ['uint32', 'UINT32', Uint32Array.of(0, 4_294_967_295)],
    ['uint64', 'UINT64', BigUint64Array.of(0n, 2n ** 64n - 1n)],
    ['float16', 'FP16', Uint16Array.of(0x3c00, 0xfbff)],
    ['float32', 'FP32', floats(-0, 3.4028234663852886e38)],
    ['float64', 'FP64', Float64Array.of(5e-324, -1.7976931348623157e308)],
    ['bool', 'BOOL', Uint8Array.of(1, 0)],
  ];

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'of every type go in and out bit for bit, wherever they begin in the body (%i spaces before)',
    async (pad) => {
      const inputs = numbers.map(([name, datatype, bytes]) => ({ name, datatype, shape: [2], bytes }));
      const answer = await infer('every-type', inputs, { parameters: { binary_data_output: true }, id: 'x'.repeat(pad) });
      expect(answer.status).toBe(200);
      for (const [name, datatype, bytes] of numbers) {
        expect(answer.head.outputs.find((output) => output.name === `${name}_out`)).toMatchObject({ datatype, shape: [2] });
        expect([name, answer.bytes[`${name}_out`]!.toString('hex')]).toEqual([
          name,
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex'),
        ]);
      }
    },
  );

  it('stand beside JSON tensors in one request, in the order of the head', async () => {
    const answer = await infer(
      'mixed',
      [
        { name: 'word', datatype: 'BYTES', shape: [2], bytes: bytesOf(['drei', 'fünf €']) },
        { name: 'flag', datatype: 'BOOL', shape: [2], data: [true, false] },
        { name: 'a', datatype: 'FP32', shape: [2, 2], bytes: floats(1, 2, 3, 4) },
        { name: 'b', datatype: 'INT64', shape: [2], bytes: BigInt64Array.of(10n, -20n) },
      ],
      {
        outputs: [
          { name: 'echo', parameters: { binary_data: true } },
          { name: 'count' },
          { name: 'total', parameters: { binary_data: true } },
        ],
      },
    );
    expect(answer.status).toBe(200);
    expect(textsOf(answer.bytes['echo']!)).toEqual(['drei', 'fünf €']);
    expect([...new Float32Array(answer.bytes['total']!.buffer)]).toEqual([13, -13]);
    expect(answer.head.outputs.map(({ name, data }) => [name, data])).toEqual([
      ['total', undefined],
      ['count', [10, -20]],
      ['echo', undefined],
    ]);
  });

  it('are the default for all outputs where the request says so, and each output may say otherwise', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [1, 2], bytes: floats(1.5, 2.5) };
    const parameters = { binary_data_output: true };
    const all = await infer('identity-float', [input], { parameters });
    expect([...new Float32Array(all.bytes['y']!.buffer)]).toEqual([1.5, 2.5]);
    expect(all.headers.get('content-type')).toBe('application/octet-stream');
    const none = await infer('identity-float', [input], { parameters, outputs: [{ name: 'y', parameters: { binary_data: false } }] });
    expect(none.head.outputs[0]!.data).toEqual([1.5, 2.5]);
    expect(none.headers.get('inference-header-content-length')).toBeNull();
  });

  it('come out of a JSON request as well', async () => {
    const input = { name: 'x', datatype: 'FP32', shape: [1, 1], data: [7] };
    const answer = await postBytes(
      url('identity-float'),
      Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } })),
      {},
    );
    expect([...new Float32Array(answer.bytes['y']!.buffer)]).toEqual([7]);
  });

  it('go through features, with the same figures and captures as JSON', async () => {
    const inputs = [
      { name: 'hour', datatype: 'INT64', shape: [2], bytes: BigInt64Array.of(1_317_427_200_000n, 1_317_430_800_000n) },
      { name: 'a', datatype: 'FP64', shape: [2, 1], bytes: Float64Array.of(3, 5) },
      { name: 'b', datatype: 'FP64', shape: [2], bytes: Float64Array.of(4, 6) },
    ];
    const answer = await infer('demand', inputs, { parameters: { prediction_id: 'bytes', binary_data_output: true } });
    expect([...new Float32Array(answer.bytes['value']!.buffer)]).toEqual([43, 65]);
    await post(`${gateway.url}/v2/captures/flush`, '');
    expect(stage.registry.stored.find(({ id }) => id === 'bytes-1')).toMatchObject({
      subject: '1317430800000',
      eventTimeMs: 1_317_430_800_000,
      inputs: { hour: 1_317_430_800_000, a: 5, b: 6 },
      predicted: 65,
    });
  });

  it('FP16 has no JSON form, in neither direction', async () => {
    const half = Uint16Array.of(0x3c00, 0x4000);
    const input = { name: 'x', datatype: 'FP16', shape: [1, 2], bytes: half };
    const answer = await infer('identity-half', [input], { parameters: { binary_data_output: true } });
    expect([...new Uint16Array(answer.bytes['y']!.buffer)]).toEqual([...half]);
    const asJson = await infer('identity-half', [input]);
    expect(asJson).toMatchObject({ status: 400, head: { error: expect.stringMatching(/output "y" is FP16, which has no JSON form/) } });
    const fromJson = await post(url('identity-half'), { inputs: [{ name: 'x', datatype: 'FP16', shape: [1, 2], data: [1, 2] }] });
    expect(fromJson).toMatchObject({ status: 400, body: { error: expect.stringMatching(/"x" is FP16, which has no JSON form/) } });
    await post(`${gateway.url}/v2/captures/flush`, '');
    expect(stage.registry.stored.find(({ model }) => model === 'identity-half')).toMatchObject({ inputs: { x: '[1,2]' }, predicted: 1 });
  });
});

describe('a body of raw bytes without a head', () => {
  const raw = (model: string, body: Uint8Array) => postBytes(url(model), body, { 'inference-header-content-length': '0' });

  it.each([8, 32])('is the one input, its open size told by the bytes (%i floats)', async (n) => {
    const values = Float32Array.from({ length: n }, (_, i) => i);
    const answer = await raw('identity-float', new Uint8Array(values.buffer));
    expect(answer.head.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [1, n], parameters: { binary_data_size: 4 * n } }]);
    expect([...new Float32Array(answer.bytes['y']!.buffer)]).toEqual([...values]);
  });

  it('is one element of BYTES, without its length on the way in and with it on the way out', async () => {
    const answer = await raw('identity-text', Buffer.from('427'));
    expect(answer.head.outputs[0]).toMatchObject({ shape: [1, 1], datatype: 'BYTES' });
    expect(textsOf(answer.bytes['y']!)).toEqual(['427']);
  });

  it.each([
    ['more than one size is open', 'identity-cube', 16, /can not be deduced because there are more than one variable-sized dimension/],
    ['the model has several inputs', 'mixed', 16, /Raw request must only have 1 input \(found 1\) to be deduced but got 4 inputs/],
    ['the definition has several fields', 'demand', 16, /must only have 1 input/],
    ['the bytes are no whole elements', 'identity-float', 6, /6 bytes are no multiple of 4/],
    ['there are no bytes', 'identity-float', 0, /0 bytes are no multiple of 4, or none/],
  ])('is refused where %s', async (...[, model, bytes, message]) => {
    const answer = await raw(model, Buffer.alloc(bytes));
    expect(answer).toMatchObject({ status: 400, head: { error: expect.stringMatching(message) } });
    await nextGoodRequestIsAnswered();
  });
});

describe('a binary request that does not add up', () => {
  const x = (bytes: ArrayBufferView, shape: number[] = [1, 2]): BinaryTensor => ({ name: 'x', datatype: 'FP32', shape, bytes });

  it.each<[string, readonly BinaryTensor[], RegExp, string?]>([
    ['too many bytes', [x(floats(1, 2, 3))], /input byte size mismatch for input "x": expected 8, got 12/],
    ['too few bytes', [x(floats(1))], /expected 8, got 4/],
    ['NaN', [x(floats(1, NaN))], /input "x", element 1, is NaN: a finite number/],
    ['an infinity', [x(floats(-Infinity, 1))], /element 0, is -Infinity/],
    ['a shape whose bytes cannot be counted', [x(floats(1), [2 ** 4, 2 ** 60 + 2])], /more elements than can be counted/],
    ['a shape far larger than the bytes', [x(floats(1), [2 ** 20, 2 ** 20])], /expected 4398046511104, got 4/],
    [
      'text shorter than its length says',
      [{ ...x(Buffer.from([9, 0, 0, 0, 65])), datatype: 'BYTES', shape: [1, 1] }],
      /says it has 9 bytes: 1 are left/,
      'identity-text',
    ],
    [
      'a length that is cut off',
      [{ ...x(bytesOf(['a'])), datatype: 'BYTES', shape: [2, 1] }],
      /5 bytes are too few for 2 elements/,
      'identity-text',
    ],
    [
      'too few texts',
      [{ ...x(bytesOf(['abcd'])), datatype: 'BYTES', shape: [2, 1] }],
      /expected 2 string elements for inference input "x", got 1/,
      'identity-text',
    ],
    [
      'too many texts',
      [{ ...x(bytesOf(['a', 'b'])), datatype: 'BYTES', shape: [1, 1] }],
      /unexpected number of string elements/,
      'identity-text',
    ],
    [
      'text that is not UTF-8',
      [{ ...x(bytesOf([Buffer.from([0xff, 0xfe])])), datatype: 'BYTES', shape: [1, 1] }],
      /element 0, is not UTF-8/,
      'identity-text',
    ],
    [
      'a billion texts',
      [{ ...x(bytesOf(['a'])), datatype: 'BYTES', shape: [1_000_000_000, 1] }],
      /too few for 1000000000/,
      'identity-text',
    ],
    ['FP16 that is not a number', [{ ...x(Uint16Array.of(0x7e00, 0)), datatype: 'FP16' }], /element 0, is NaN/, 'identity-half'],
    ['another datatype', [{ ...x(floats(1, 2)), datatype: 'BF16' }], /datatype "BF16": FP32 is expected/],
  ])('%s', async (...[, inputs, message, model = 'identity-float']) => {
    const answer = await infer(model, inputs);
    expect(answer).toMatchObject({ status: 400, head: { error: expect.stringMatching(message) } });
    await nextGoodRequestIsAnswered();
  });

  it('BOOL other than 0 and 1', async () => {
    const rest = numbersButFlag();
    const answer = await infer('mixed', [...rest, { name: 'flag', datatype: 'BOOL', shape: [1], bytes: Uint8Array.of(2) }]);
    expect(answer).toMatchObject({ status: 400, head: { error: expect.stringMatching(/element 0, is 2: 0 or 1/) } });
  });

  it('INT64 of a field that a JavaScript number does not keep', async () => {
    const answer = await infer('demand', [
      { name: 'hour', datatype: 'INT64', shape: [1], bytes: BigInt64Array.of(2n ** 53n + 1n) },
      { name: 'a', datatype: 'FP64', shape: [1], bytes: Float64Array.of(1) },
      { name: 'b', datatype: 'FP64', shape: [1], bytes: Float64Array.of(1) },
    ]);
    expect(answer).toMatchObject({ status: 400, head: { error: expect.stringMatching(/within 2\^53/) } });
  });

  function numbersButFlag(): BinaryTensor[] {
    return [
      { name: 'word', datatype: 'BYTES', shape: [1], data: ['x'] },
      { name: 'a', datatype: 'FP32', shape: [1, 2], bytes: floats(1, 2) },
      { name: 'b', datatype: 'INT64', shape: [1], data: [1] },
    ];
  }

  const { body, headers } = binaryBody([x(floats(1, 2))]);
  const length = headers['inference-header-content-length']!;
  const sized = (size: unknown): Uint8Array =>
    Buffer.from(JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: size } }] }));

  it.each<[string, Uint8Array, string | undefined, RegExp]>([
    ['a head longer than the body', body, '100000', /is 100000: the body has only/],
    ['a head beyond any size', body, '99999999999', /Inference-Header-Content-Length is 99999999999/],
    ['a head of more digits than a number keeps', body, '9'.repeat(40), /a whole number of bytes/],
    ['a negative head', body, '-1', /"-1": a whole number of bytes/],
    ['a broken head', body, '1.5', /a whole number of bytes/],
    ['a head of words', body, 'all', /a whole number of bytes/],
    ['a head that ends within the JSON', body, String(Number(length) - 1), /not JSON/],
    ['a head that reaches into the bytes', body, String(Number(length) + 1), /not JSON|not UTF-8/],
    ['no head where bytes are announced', sized(8), undefined, /Inference-Header-Content-Length that says where it begins is missing/],
    ['bytes that nobody announced', Buffer.concat([body, Buffer.alloc(3)]), length, /unexpected additional input data: 3 bytes/],
    ['a tensor that is missing', body.subarray(0, body.length - 8), length, /binary_data_size is 8, but only 0 bytes are left/],
    ['a negative size', sized(-8), String(sized(-8).length), /binary_data_size is -8/],
    ['a broken size', sized(1.5), String(sized(1.5).length), /binary_data_size is 1.5/],
    ['a size of text', sized('8'), String(sized('8').length), /binary_data_size is "8"/],
    ['an enormous size', sized(2 ** 52), String(sized(2 ** 52).length), /only 0 bytes are left/],
  ])('%s', async (...[, bytes, head, message]) => {
    const answer = await postBytes(url('identity-float'), bytes, head === undefined ? {} : { 'inference-header-content-length': head });
    expect(answer).toMatchObject({ status: 400, head: { error: expect.stringMatching(message) } });
    await nextGoodRequestIsAnswered();
  });
});
