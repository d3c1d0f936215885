import { beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { repeatedName, replaceNumbers } from '../../gateway/http/json-text.js';
import type { Gateway } from '../../gateway/gateway.js';
import { ask, pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const fixture of ['every-type', 'mixed']) await stage.addFixture(fixture);
  gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
});

/** A request for the `every-type` model as text, so that numbers stay as they are written. */
function everyType(changed: Record<string, string>, shape = '[1]'): string {
  const types = {
    int8: 'INT8',
    int16: 'INT16',
    int32: 'INT32',
    int64: 'INT64',
    uint8: 'UINT8',
    uint16: 'UINT16',
    uint32: 'UINT32',
    uint64: 'UINT64',
    float32: 'FP32',
    float64: 'FP64',
    bool: 'BOOL',
  };
  const inputs = Object.entries(types).map(
    ([name, datatype]) =>
      `{"name":"${name}","datatype":"${datatype}","shape":${shape},"data":${changed[name] ?? (name === 'bool' ? '[true]' : '[0]')}}`,
  );
  return `{"inputs":[${inputs.join(',')}],"outputs":[{"name":"int64_out"},{"name":"uint64_out"},{"name":"float64_out"}]}`;
}

/** FP16 has no JSON form, so this model is asked with its bits in front as the only binary tensor. */
async function inferText(text: string): Promise<{ status: number; text: string }> {
  const half = '{"name":"float16","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},';
  const head = Buffer.from(text.replace('"inputs":[', `"inputs":[${half}`));
  const response = await fetch(`${gateway.url}/v2/models/every-type/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([head, Buffer.alloc(2)]),
  });
  return { status: response.status, text: await response.text() };
}

describe('integers of 64 bits in JSON', () => {
  it.each([
    ['int64', '9007199254740993'],
    ['int64', '-9007199254740993'],
    ['int64', '9223372036854775807'],
    ['int64', '-9223372036854775808'],
    ['uint64', '18446744073709551615'],
    ['uint64', '1234567890123456789'],
  ])('%s %s is answered digit for digit', async (name, digits) => {
    const { status, text } = await inferText(everyType({ [name]: `[${digits}]` }));
    expect(status).toBe(200);
    expect(text).toContain(`"name":"${name}_out","shape":[1],"datatype":"${name.toUpperCase()}","data":[${digits}]`);
  });

  it('stays exact beside texts and numbers that look alike', async () => {
    const text = everyType({ int64: '[ 9007199254740993 ]', float64: '[0.1234567890123456789]' }).replace(
      '{"inputs"',
      '{"id":"9007199254740993 \\"9007199254740995","parameters":{"note":"[9007199254740993]\\\\"},"inputs"',
    );
    const answer = await inferText(text);
    expect(answer.text).toContain('"id":"9007199254740993 \\"9007199254740995"');
    expect(answer.text).toContain('"datatype":"INT64","data":[9007199254740993]');
    expect(answer.text).toContain('"datatype":"FP64","data":[0.12345678901234568]');
  });

  it.each([
    ['int64', '9223372036854775808', /a number from -9223372036854775808 to 9223372036854775807/],
    ['uint64', '-1', /a number from 0 to 18446744073709551615/],
    ['uint64', '18446744073709551616', /a number from 0 to/],
    ['int64', '1e18', /a whole number with all its digits/],
    ['int64', '12345678901234567.0', /a whole number with all its digits/],
    ['int64', '1.5', /a whole number/],
    ['int64', '"9007199254740993"', /is text: a whole number/],
  ])('%s %s is refused, not rounded or wrapped', async (name, digits, message) => {
    const { status, text } = await inferText(everyType({ [name]: `[${digits}]` }));
    expect(status).toBe(400);
    expect((JSON.parse(text) as { error: string }).error).toMatch(message);
  });

  it('stays exact where a request is taken apart into its rows', async () => {
    const response = await fetch(`${gateway.url}/v2/models/mixed/infer_stream`, {
      method: 'POST',
      body: '{"inputs":[{"name":"b","datatype":"INT64","shape":[2],"data":[9007199254740993,-9007199254740995]},{"name":"a","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]},{"name":"flag","datatype":"BOOL","shape":[2],"data":[true,false]},{"name":"word","datatype":"BYTES","shape":[2],"data":["x","y"]}]}',
    });
    const events = await response.text();
    expect(events.match(/"datatype":"INT64","data":\[-?\d+\]/g)).toEqual([
      '"datatype":"INT64","data":[9007199254740993]',
      '"datatype":"INT64","data":[-9007199254740995]',
    ]);
    const nothing = await post(`${gateway.url}/v2/models/mixed/generate_stream`, {});
    expect(nothing).toMatchObject({ status: 400, body: { error: expect.stringContaining('no inputs') } });
  });

  it('any two of them come back as they went', async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(0n, 2n ** 64n - 1n), async (signed, unsigned) => {
        const { text } = await inferText(everyType({ int64: `[${signed}]`, uint64: `[${unsigned}]` }));
        expect(text).toContain(`"INT64","data":[${signed}]`);
        expect(text).toContain(`"UINT64","data":[${unsigned}]`);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a name that stands twice in one object', () => {
  const good = JSON.stringify(pairs([[1, 2]]));

  it.each([
    ['at the top', good.replace(/\}$/, ',"inputs":[]}'), 'inputs'],
    ['at the top, spelled otherwise', good.replace(/\}$/, ',"in\\u0070uts":[]}'), 'inputs'],
    ['in an input', good.replace('"name":"a"', '"name":"a","name":"b"'), 'name'],
    ['in an input, with spaces', good.replace('"shape":[1]', '"shape" : [1] , "shape"\n:[2]'), 'shape'],
    ['in parameters', good.replace(/\}$/, ',"parameters":{"key":"x","key":"y"}}'), 'key'],
    ['in outputs', good.replace(/\}$/, ',"outputs":[{"name":"value","name":"other"}]}'), 'name'],
    ['as __proto__', good.replace(/\}$/, ',"__proto__":1,"__proto__":2}'), '__proto__'],
  ])('%s is refused', async (_, body, name) => {
    const answer = await post(`${gateway.url}/v2/models/demand/infer`, body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toBe(`the name "${name}" stands twice in one object: each may stand there once`);
    expect((await ask(gateway, 'demand', [3, 4])).status).toBe(200);
  });

  it.each([
    ['the same name in two objects', good],
    ['colons and quotes in texts', good.replace(/\}$/, ',"id":"a:b \\"id\\": \\\\","parameters":{"x:":"\\":","y":":\\\\"}}')],
    ['__proto__ and constructor once', good.replace(/\}$/, ',"__proto__":{"inputs":[]},"constructor":{"prototype":{"x":1}}}')],
  ])('%s is no reason', async (_, body) => {
    expect((await post(`${gateway.url}/v2/models/demand/infer`, body)).status).toBe(200);
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('is found in any text, and nothing else is', () => {
    const name = fc.oneof(fc.constantFrom('a', 'b', '"', ':', '\\', '__proto__', ''), fc.string());
    const value = fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.constant(null), fc.constantFrom('"a":1', '{"a":', '\\":'));
    const { json } = fc.letrec<{ json: { text: string; repeats: boolean } }>((tie) => ({
      json: fc.oneof(
        { depthSize: 'small' },
        value.map((plain) => ({ text: JSON.stringify(plain), repeats: false })),
        fc.array(tie('json'), { maxLength: 4 }).map((items) => ({
          text: `[${items.map(({ text }) => text).join(' , ')}]`,
          repeats: items.some(({ repeats }) => repeats),
        })),
        fc.array(fc.tuple(name, tie('json')), { maxLength: 4 }).map((members) => ({
          text: `{${members.map(([key, { text }]) => `${JSON.stringify(key)} : ${text}`).join(',')}}`,
          repeats: new Set(members.map(([key]) => key)).size < members.length || members.some(([, { repeats }]) => repeats),
        })),
      ),
    }));
    fc.assert(
      fc.property(json, ({ text, repeats }) => {
        expect([text, repeatedName(text, JSON.parse(text)) !== null]).toEqual([text, repeats]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('replacing numbers in a JSON text', () => {
  it('finds the numbers, all of them, and leaves texts alone', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        const numbers: string[] = [];
        expect(replaceNumbers(text, (number) => (numbers.push(number), number))).toBe(text);
        const all: number[] = [];
        JSON.parse(text, (_, found: unknown) => (typeof found === 'number' && all.push(found), found));
        expect(numbers.map(Number).sort()).toEqual(all.sort());
        const replaced = JSON.parse(replaceNumbers(text, () => '"n"')) as unknown;
        JSON.stringify(replaced, (_, found: unknown) => (expect(typeof found).not.toBe('number'), found));
      }),
      { numRuns: 500 },
    );
  });

  it('takes a text of millions of escapes in its stride', () => {
    const text = `["${'a\\n\\"'.repeat(2_000_000)}",1234567890123456789]`;
    expect(replaceNumbers(text, () => '0').endsWith('",0]')).toBe(true);
  });
});
