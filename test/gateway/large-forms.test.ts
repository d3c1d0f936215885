import { afterAll, describe, expect, test } from 'vitest';
import { RequestError } from '../../gateway/http/request-error.js';
import { elementTypes } from '../../gateway/models/tensors.js';
import type { BodyForm, FormRead } from '../../gateway/oip/body-forms.js';
import { readForm } from '../../gateway/oip/body-forms.js';
import { BodyReader } from '../../gateway/oip/body-reader.js';
import { tensorData } from '../../gateway/oip/tensor-elements.js';
import type { Signature, SignatureTensor } from '../../gateway/plans/serving-plan.js';
import { npy } from './support/npy-file.js';

const maxJsonDepth = 100;
const reader = new BodyReader({ maxJsonDepth, threadBytes: 0, program: null });
afterAll(() => reader.close());

const tensor = (name: string, datatype: string, shape: number[]): SignatureTensor => ({ name, datatype, shape });
const pair: Signature = { inputs: [tensor('x', 'FP32', [-1, 2])] };
const fields: Signature = { inputs: [tensor('n', 'INT64', [-1]), tensor('a', 'FP64', [-1]), tensor('t', 'BYTES', [-1])] };
const truth: Signature = { inputs: [tensor('b', 'BOOL', [-1])] };
const cube: Signature = { inputs: [tensor('x', 'FP32', [-1, 2, 2])] };

type Case = { readonly what: string; readonly form: BodyForm; readonly signature: Signature; readonly given: string | Buffer };

const of =
  (form: BodyForm) =>
  (what: string, signature: Signature, given: string | Buffer): Case => ({ what: `${form.kind}: ${what}`, form, signature, given });
const invocation = (contentType: string, headLength?: string) => of({ kind: 'invocation', contentType, headLength });
const predict = of({ kind: 'predict' });
const generate = of({ kind: 'generate' });
const rows = of({ kind: 'inferRows' });
const json = invocation('application/json');
const csv = invocation('text/csv; charset=utf-8');
const lines = invocation('application/jsonlines');
const array = invocation('application/x-npy');

const tensors = (input: object, more: object = {}): string =>
  JSON.stringify({ ...more, inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], ...input }] });
const binary = (head: object, tail: Uint8Array): { body: Buffer; head: string } => {
  const text = Buffer.from(JSON.stringify(head));
  return { body: Buffer.concat([text, tail]), head: String(text.length) };
};
const floats = binary(
  { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }] },
  new Uint8Array(Float32Array.of(1.5, -2).buffer),
);

const cases: readonly Case[] = [
  predict('rows', pair, '{"instances":[[1,2],[3,4.5]]}'),
  predict('rows as objects', fields, '{"instances":[{"n":9007199254740993,"a":1.5,"t":"\\u00e9"},{"t":"","a":-0,"n":1}]}'),
  predict('columns', fields, '{"inputs":{"n":[1,9223372036854775807],"a":[1,2],"t":["a","b"]}}'),
  predict('the only column', pair, '{"inputs":[[1,2],[3,4]]}'),
  predict('texts in base64', fields, '{"instances":[{"n":1,"a":1,"t":{"b64":"w6k="}}]}'),
  predict('what is no base64', fields, '{"instances":[{"n":1,"a":1,"t":{"b64":"%"}}]}'),
  predict('bytes that are no text', fields, '{"instances":[{"n":1,"a":1,"t":{"b64":"/w=="}}]}'),
  predict('truths', truth, '{"instances":[true,false]}'),
  predict('a number for a truth', truth, '{"instances":[true,1]}'),
  predict('three dimensions', cube, '{"instances":[[[1,2],[3,4]]]}'),
  predict('ragged rows', pair, '{"instances":[[1,2],[3]]}'),
  predict('deeper rows', pair, '{"instances":[[[1],2]]}'),
  predict('a list deeper than one row', pair, '{"inputs":[[[1]]]}'),
  predict('a column that is no list', fields, '{"inputs":{"n":1,"a":[1],"t":["a"]}}'),
  predict('an input that is not known', pair, '{"inputs":{"y":[1]}}'),
  predict('an instance that lacks one', fields, '{"instances":[{"n":1}]}'),
  predict('no rows', pair, '{"instances":[]}'),
  predict('both', pair, '{"instances":[1],"inputs":[1]}'),
  predict('neither', pair, '{}'),
  predict('no object', pair, '[]'),
  predict('no JSON', pair, '{"instances":[[1,2]'),
  predict('a name twice', pair, '{"instances":[[1,2]],"instances":[]}'),
  predict('nothing', pair, ''),
  predict('no UTF-8', pair, Buffer.from('{"instances":["\xe9"]}', 'latin1')),

  json('instances', pair, '{"instances":[[1,2],[3,4]]}'),
  json('instances with exact integers', fields, '{"instances":[[9007199254740993,1,"a"]]}'),
  json('tensors', pair, tensors({ data: [1, 2, 3, 4] }, { id: 'me', parameters: { prediction_id: 'p' }, outputs: [{ name: 'y' }] })),
  json('tensors with exact integers', fields, '{"inputs":[{"name":"n","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}'),
  json('tensors of another shape', pair, tensors({ data: [1] })),
  json('neither', pair, '{"rows":[]}'),
  csv('rows', pair, '1,2\n3,4.5\n'),
  csv('rows of several fields, with a head', fields, 'n,a,t\r\n9007199254740993,1,"a ""b"", c"\r\n2,3,\u00e9'),
  csv('truths', truth, 'true\n0\nno\n'),
  csv('too few cells', pair, '1,2\n3\n'),
  csv('a cell that is no number', pair, '1,2\n3,x\n'),
  csv('an open quote', fields, '1,2,"a\n'),
  csv('no rows', pair, '\n'),
  csv('no UTF-8', fields, Buffer.from('1,2,\xe9', 'latin1')),
  csv('what a row cannot hold', cube, '1,2,3,4\n'),
  lines('rows', pair, '[1,2]\n{"features":[3,4]}\n\n'),
  lines('rows with exact integers', fields, '{"n":9007199254740993,"a":1,"t":"x"}\n[1,2,"y"]\n'),
  lines('a line that is no JSON', pair, '[1,2]\n[3,\n'),
  lines('a line with a name twice', fields, '{"n":1,"n":2}'),
  lines('a line that is no UTF-8', pair, Buffer.from('[1,2]\n["\xe9"]', 'latin1')),
  lines('a line that lacks a value', pair, '[1,2]\n{"y":1}\n'),
  array('one input', pair, npy('<f4', [2, 2], Float32Array.of(1, 2, 3, 4.5))),
  array('one input of another type', pair, npy('<f8', [1, 2], Float64Array.of(1, 2))),
  array('a column a field', { inputs: fields.inputs.slice(0, 2) }, npy('<f8', [2, 2], Float64Array.of(1, 2, 3, 4.5))),
  array('integers', { inputs: fields.inputs.slice(0, 1) }, npy('<i8', [2], BigInt64Array.of(9007199254740993n, -1n))),
  array('too few columns', fields, npy('<f4', [1, 2], Float32Array.of(1, 2))),
  array('what is no array', pair, 'NUMPY'),
  invocation('application/octet-stream', floats.head)('a head with bytes after it', pair, floats.body),
  invocation(`application/vnd.sagemaker-triton.binary+json;json-header-size=${floats.head}`)('the same by its type', pair, floats.body),
  invocation('application/octet-stream', '9999')('a head longer than the body', pair, floats.body),
  invocation('text/plain')('a type that is not taken', pair, '1'),

  generate('one row', { inputs: [tensor('x', 'FP32', [-1])] }, '{"x":1.5,"id":"me","temperature":2}'),
  generate('rows', pair, '{"x":[[1,2],[3,4]],"parameters":{"key":"k"}}'),
  generate('ragged rows', pair, '{"x":[[1,2],[3]]}'),
  generate('too deep', pair, '{"x":[[[1]]]}'),
  generate('a parameter that is none', pair, '{"x":[1,2],"y":{}}'),
  generate('no object', pair, '1'),

  rows(
    'tensors',
    pair,
    tensors(
      {
        data: [
          [1, 2],
          [3, 4],
        ],
      },
      { parameters: { key: 'k' } },
    ),
  ),
  rows('exact integers', fields, '{"inputs":[{"name":"n","datatype":"UINT64","shape":[1],"data":[18446744073709551615]}]}'),
  rows('binary outputs', pair, tensors({ data: [1, 2, 3, 4] }, { parameters: { binary_data_output: true } })),
  rows('ragged rows', pair, tensors({ data: [[1, 2], [3]] })),

  of({ kind: 'infer', headLength: floats.head })('a head with bytes after it', pair, floats.body),
];

/** What becomes of a body: the elements of its inputs and how they are answered, or the refusal; of an input that is wrong, its refusal. */
async function outcome(read: () => FormRead | Promise<FormRead>): Promise<unknown> {
  try {
    const { request, format } = await read();
    const { id, parameters, outputs } = request;
    const inputs = request.inputs.map((input) => {
      const { name, datatype, shape } = input;
      return { name, datatype, shape, data: refusal(() => tensorData(request, input, elementTypes[datatype]!)) };
    });
    return { id, parameters, outputs, inputs, format };
  } catch (error) {
    return told(error);
  }
}

function refusal<T>(look: () => T): unknown {
  try {
    return look();
  } catch (error) {
    return told(error);
  }
}

function told(error: unknown): unknown {
  if (!(error instanceof RequestError)) throw error;
  return { kind: error.kind, message: error.message };
}

describe('a large body that is read in a thread', () => {
  test.each(cases)('$what: is what it is when it is read at once', async ({ form, signature, given }) => {
    const body = typeof given === 'string' ? Buffer.from(given) : given;
    const before = reader.readInThread;
    const large = reader.large(form, body);
    const later = await outcome(async () => ({ request: await large.read(signature), format: large.format }));
    expect(later).toEqual(await outcome(() => readForm(form, body, { signature, maxJsonDepth })));
    expect(reader.readInThread).toBe(before + 1);
  });

  test('opens no session: that is a request of a few bytes', async () => {
    const body = Buffer.from('{"requestType":"NEW_SESSION"}');
    const large = reader.large({ kind: 'invocation', contentType: 'application/json', headLength: undefined }, body);
    await expect(large.read(pair)).rejects.toThrow('one that opens or closes a session has its "requestType" alone');
  });

  test('is read again for a version that takes something else', async () => {
    const large = reader.large({ kind: 'invocation', contentType: 'text/csv', headLength: undefined }, Buffer.from('1,2\n'));
    expect((await large.read(pair)).inputs.map(({ name, shape }) => [name, shape])).toEqual([['x', [1, 2]]]);
    const columns = { inputs: [tensor('a', 'FP64', [-1]), tensor('b', 'FP64', [-1])] };
    expect((await large.read(columns)).inputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['a', [1]],
      ['b', [1]],
    ]);
  });

  test('that takes too much memory is refused, and not those behind it', async () => {
    const narrow = new BodyReader({ maxJsonDepth, threadBytes: 0, program: null, heapMiB: 64 });
    const form = { kind: 'invocation', contentType: 'text/csv', headLength: undefined } as const;
    const [first, second, third] = await Promise.allSettled(
      ['1,2\n', '3,4\n'.repeat(4_000_000), '5,6\n'].map((text) => narrow.large(form, Buffer.from(text)).read(pair)),
    );
    await narrow.close();
    expect(second).toMatchObject({ status: 'rejected', reason: { kind: 'invalidRequest' } });
    expect(String((second as PromiseRejectedResult).reason)).toContain('the body takes more than 64 MiB to be read');
    expect([first!.status, third!.status]).toEqual(['fulfilled', 'fulfilled']);
    // All of it in a thread: two of them, one after the other.
    expect(narrow.readInThread).toBe(2);
  });

  test('in shared memory gives a model bytes of its own', async () => {
    const given = npy('<f4', [1, 2], Float32Array.of(1, 2));
    const body = Buffer.from(new SharedArrayBuffer(given.length));
    body.set(given);
    const form = { kind: 'invocation', contentType: 'application/x-npy', headLength: undefined } as const;
    const later = await reader.large(form, body).read(pair);
    const atOnce = readForm(form, body, { signature: pair, maxJsonDepth }).request;
    for (const { inputs } of [later, atOnce]) expect(inputs[0]!.raw!.buffer).toBeInstanceOf(ArrayBuffer);
    expect(tensorData(later, later.inputs[0]!, 'float32')).toEqual(Float32Array.of(1, 2));
  });
});
