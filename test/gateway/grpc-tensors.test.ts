import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readInferRequest } from '../../gateway/grpc/infer-request.js';
import { inferenceService } from '../../gateway/grpc/inference-service.js';
import { RequestError } from '../../gateway/http/request-error.js';
import type { InferMessage, Message } from './support/grpc-client.js';
import { GrpcClient, refusal, typedPairs } from './support/grpc-client.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let client: GrpcClient;

beforeAll(async () => {
  for (const fixture of ['identity-text', 'identity-half', 'every-type']) await stage.addFixture(fixture);
  const gateway = await stage.start({ grpcPort: 0 });
  client = new GrpcClient(gateway.grpcAddress);
});

const bytesOf = (array: ArrayBufferView): Buffer => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Two elements of each datatype: by input name, as typed contents and as bytes. FP16 has bytes alone. */
const elements: Readonly<Record<string, { datatype: string; contents: Message | null; raw: Buffer }>> = {
  int8: { datatype: 'INT8', contents: { int_contents: [-128, 127] }, raw: bytesOf(Int8Array.of(-128, 127)) },
  int16: { datatype: 'INT16', contents: { int_contents: [-32_768, 32_767] }, raw: bytesOf(Int16Array.of(-32_768, 32_767)) },
  int32: {
    datatype: 'INT32',
    contents: { int_contents: [-2_147_483_648, 2_147_483_647] },
    raw: bytesOf(Int32Array.of(-2_147_483_648, 2_147_483_647)),
  },
  int64: {
    datatype: 'INT64',
    contents: { int64_contents: ['-9223372036854775808', '9223372036854775807'] },
    raw: bytesOf(BigInt64Array.of(-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n)),
  },
  uint8: { datatype: 'UINT8', contents: { uint_contents: [0, 255] }, raw: bytesOf(Uint8Array.of(0, 255)) },
  uint16: { datatype: 'UINT16', contents: { uint_contents: [0, 65_535] }, raw: bytesOf(Uint16Array.of(0, 65_535)) },
  uint32: { datatype: 'UINT32', contents: { uint_contents: [0, 4_294_967_295] }, raw: bytesOf(Uint32Array.of(0, 4_294_967_295)) },
  uint64: {
    datatype: 'UINT64',
    contents: { uint64_contents: ['9007199254740993', '18446744073709551615'] },
    raw: bytesOf(BigUint64Array.of(9_007_199_254_740_993n, 18_446_744_073_709_551_615n)),
  },
  float16: { datatype: 'FP16', contents: null, raw: bytesOf(Uint16Array.of(0x3c00, 0xc000)) },
  float32: { datatype: 'FP32', contents: { fp32_contents: [0.5, -3.25] }, raw: bytesOf(Float32Array.of(0.5, -3.25)) },
  float64: { datatype: 'FP64', contents: { fp64_contents: [0.1, -1e300] }, raw: bytesOf(Float64Array.of(0.1, -1e300)) },
  bool: { datatype: 'BOOL', contents: { bool_contents: [true, false] }, raw: bytesOf(Uint8Array.of(1, 0)) },
};
const names = Object.keys(elements);
const rawRequest: Message = {
  model_name: 'every-type',
  inputs: names.map((name) => ({ name, datatype: elements[name]!.datatype, shape: [2] })),
  raw_input_contents: names.map((name) => elements[name]!.raw),
};

describe('tensors of every datatype', () => {
  it('come and go as bytes, unchanged', async () => {
    const answer = await client.call<InferMessage>('ModelInfer', rawRequest);
    const answered = new Map(answer.outputs.map(({ name }, index) => [name, answer.raw_output_contents[index]]));
    for (const name of names) expect(answered.get(`${name}_out`), name).toEqual(elements[name]!.raw);
  });

  it('come as typed contents: what the reader makes of them are the same bytes', () => {
    const { requestSerialize } = serializer();
    for (const name of names) {
      const { datatype, contents, raw } = elements[name]!;
      if (contents === null) continue;
      const message = requestSerialize({ model_name: 'm', inputs: [{ name, datatype, shape: [2], contents }] });
      const [input] = readInferRequest(message).request.inputs;
      expect(Buffer.from(input!.raw!), name).toEqual(raw);
    }
  });

  it('go as the typed contents that they came as', async () => {
    const single = (name: string) => elements[name]!;
    await stage.registry.acknowledged(await stage.addFixture('mixed'));
    const answer = await client.call<InferMessage>('ModelInfer', {
      model_name: 'mixed',
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [2, 2], contents: { fp32_contents: [1, 2, 3, 4] } },
        { name: 'b', datatype: 'INT64', shape: [2], contents: single('int64').contents },
        { name: 'flag', datatype: 'BOOL', shape: [2], contents: single('bool').contents },
        { name: 'word', datatype: 'BYTES', shape: [2], contents: { bytes_contents: [Buffer.from('drei'), Buffer.from('üñï')] } },
      ],
    });
    const contents = new Map(answer.outputs.map((output) => [output.name, output.contents]));
    expect(contents.get('count')).toMatchObject(single('int64').contents!);
    expect(contents.get('opposite')).toMatchObject({ bool_contents: [false, true] });
    expect(contents.get('echo')).toMatchObject({ bytes_contents: [Buffer.from('drei'), Buffer.from('üñï')] });
  });

  it('of half floats are answered raw even to a typed request, and refused as contents', async () => {
    const half = { name: 'x', datatype: 'FP16', shape: [1, 2] };
    const answer = await client.call<InferMessage>('ModelInfer', {
      model_name: 'identity-half',
      inputs: [half],
      raw_input_contents: [Buffer.from([0, 0x3c, 0, 0xc0])],
    });
    expect(answer.raw_output_contents).toEqual([Buffer.from([0, 0x3c, 0, 0xc0])]);
    expect(
      await refusal(client.call('ModelInfer', { model_name: 'identity-half', inputs: [{ ...half, contents: { fp32_contents: [1, 2] } }] })),
    ).toMatchObject({
      status: 'INVALID_ARGUMENT',
      details: 'input "x": FP16 has no contents: send its elements in raw_input_contents',
    });
  });

  it('of text carry lengths in raw form, and are UTF-8', async () => {
    const element = (text: string) => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const raw = Buffer.concat(['one', '', 'drei €'].map(element));
    const x = { name: 'x', datatype: 'BYTES', shape: [3, 1] };
    expect(await client.call('ModelInfer', { model_name: 'identity-text', inputs: [x], raw_input_contents: [raw] })).toMatchObject({
      raw_output_contents: [raw],
    });
    for (const wrong of [
      { inputs: [x], raw_input_contents: [raw.subarray(0, -1)] },
      { inputs: [{ ...x, contents: { bytes_contents: [Buffer.from([0xff]), Buffer.alloc(0), Buffer.alloc(0)] } }] },
      { inputs: [{ ...x, contents: { bytes_contents: [Buffer.alloc(1)] } }] },
      { inputs: [{ ...x, contents: { bytes_contents: [1, 2, 3, 4].map(() => Buffer.alloc(1)) } }] },
    ])
      expect((await refusal(client.call('ModelInfer', { model_name: 'identity-text', ...wrong }))).status).toBe('INVALID_ARGUMENT');
  });

  it.each([
    ['INT8', { int_contents: [128] }, /element 0, is 128: it is no INT8/],
    ['INT16', { int_contents: [-32_769] }, /is no INT16/],
    ['UINT8', { uint_contents: [256] }, /is no UINT8/],
    ['UINT16', { uint_contents: [65_536] }, /is no UINT16/],
  ])('out of the range of %s are refused', (datatype, contents, message) => {
    const bytes = serializer().requestSerialize({ model_name: 'm', inputs: [{ name: 'x', datatype, shape: [1], contents }] });
    expect(() => readInferRequest(bytes)).toThrow(message);
  });
});

describe('the reader of requests', () => {
  it('takes contents that come unpacked or in parts, as any writer may send them', () => {
    // Field 6 of the contents: one float by itself, and a packed part of two.
    const parts = Buffer.concat([Buffer.from([0x35]), bytesOf(Float32Array.of(1)), Buffer.from([0x32, 8]), bytesOf(Float32Array.of(2, 3))]);
    const input = Buffer.concat([field(1, Buffer.from('x')), field(2, Buffer.from('FP32')), Buffer.from([0x18, 3]), field(5, parts)]);
    const [read] = readInferRequest(Buffer.concat([field(1, Buffer.from('m')), field(5, input)])).request.inputs;
    expect(read!.shape).toEqual([3]);
    expect(Buffer.from(read!.raw!)).toEqual(bytesOf(Float32Array.of(1, 2, 3)));
    // The same field twice is one after the other.
    const [first, second] = [field(6, bytesOf(Float32Array.of(1, 2))), field(6, bytesOf(Float32Array.of(3)))];
    const twice = Buffer.concat([
      field(1, Buffer.from('x')),
      field(2, Buffer.from('FP32')),
      field(3, Buffer.from([3])),
      field(5, first),
      field(5, second),
    ]);
    const [again] = readInferRequest(Buffer.concat([field(1, Buffer.from('m')), field(5, twice)])).request.inputs;
    expect(Buffer.from(again!.raw!)).toEqual(bytesOf(Float32Array.of(1, 2, 3)));
  });

  it('skips fields that it does not know, and keeps names that mean something elsewhere harmless', () => {
    const message = serializer().requestSerialize({
      ...typedPairs([[1, 1]]),
      parameters: { ['__proto__']: { string_param: 'x' }, big: { uint64_param: '18446744073709551615' }, half: { double_param: 0.5 } },
    });
    const { request } = readInferRequest(Buffer.concat([message, field(99, Buffer.from('later'))]));
    expect(request.parameters['big']).toBe('18446744073709551615');
    expect(request.parameters['half']).toBe(0.5);
    expect(request.inputs).toHaveLength(3);
    expect(({} as Message)['x']).toBeUndefined();
  });

  it('bounds what a small message can make it hold', () => {
    const many = (bytes: Buffer, n: number) => Buffer.concat([field(1, Buffer.from('m')), ...Array.from({ length: n }, () => bytes)]);
    expect(() => readInferRequest(many(field(5, Buffer.alloc(0)), 5_000))).toThrow('inputs has more than 4096 entries');
    expect(() => readInferRequest(many(field(6, field(1, Buffer.from('o'))), 5_000))).toThrow('outputs has more than 4096 entries');
    expect(() => readInferRequest(many(field(7, Buffer.alloc(0)), 5_000))).toThrow('raw_input_contents has more than 4096 entries');
    // A shape of billions, a few bytes of contents.
    const huge = serializer().requestSerialize({
      model_name: 'm',
      inputs: [{ name: 'x', datatype: 'INT64', shape: [2 ** 40], contents: { int64_contents: [1] } }],
    });
    expect(() => readInferRequest(huge)).toThrow('int64_contents has fewer elements than its shape needs');
  });

  it('answers every run of bytes with a request or a reason, and the server lives', async () => {
    const valid = [rawRequest, typedPairs([[1, 2]]), { ...rawRequest, outputs: [{ name: 'int8_out' }] }].map((one) =>
      serializer().requestSerialize(one),
    );
    const mutated = fc
      .tuple(fc.constantFrom(...valid), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), fc.nat())
      .map(([bytes, changes, cut]) => {
        const copy = Buffer.from(bytes);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        return cut % 3 === 0 ? copy.subarray(0, cut % copy.length) : copy;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          readInferRequest(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RequestError);
          expect((error as RequestError).kind).toMatch(/invalidRequest|unsupported/);
        }
      }),
      { numRuns: 5_000, seed: 1 },
    );
    expect(await client.call<InferMessage>('ModelInfer', rawRequest)).toMatchObject({ model_name: 'every-type' });
  });
});

function serializer(): { requestSerialize(message: object): Buffer } {
  const { descriptions } = inferenceService(null);
  return (descriptions['inference.GRPCInferenceService'] as unknown as Record<string, { requestSerialize(message: object): Buffer }>)[
    'ModelInfer'
  ]!;
}

/** A length-delimited field as it lies in a message. */
function field(number: number, bytes: Buffer): Buffer {
  const varint: number[] = [];
  for (let value of [number * 8 + 2, bytes.length]) {
    for (; value > 127; value >>>= 7) varint.push((value & 127) | 128);
    varint.push(value);
  }
  return Buffer.concat([Buffer.from(varint), bytes]);
}
