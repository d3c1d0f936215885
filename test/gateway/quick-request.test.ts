import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonText } from '../../gateway/http/json-body.js';
import { NumberReader } from '../../gateway/oip/decimal.js';
import { flatData } from '../../gateway/oip/flat-data.js';
import { readInferRequest, type InferRequest } from '../../gateway/oip/oip-request.js';
import { readQuickly } from '../../gateway/oip/quick-request.js';

const reader = new NumberReader();

/** The number at the start of a text, and how much of the text it is. */
function read(text: string): { value: number; length: number } {
  const value = reader.read(Buffer.from(`${text},`), 0);
  return { value, length: reader.at };
}

describe('numbers', () => {
  const digits = (most: number) => fc.bigInt({ min: 0n, max: 10n ** BigInt(most) - 1n }).map(String);

  it('are the doubles that the engine reads, whatever their form', () => {
    const written = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
      digits(25),
      fc.tuple(digits(12), fc.stringMatching(/^\d{1,22}$/)).map(([whole, part]) => `${whole}.${part}`),
      fc.tuple(digits(18), fc.integer({ min: -330, max: 308 })).map(([whole, exponent]) => `${whole}e${exponent}`),
      fc
        .tuple(digits(9), fc.stringMatching(/^0{0,12}\d{1,9}$/), fc.constantFrom('e', 'E+', 'E-'), fc.nat(20))
        .map(([whole, part, e, exponent]) => `${whole}.${part}${e}${exponent}`),
    );
    fc.assert(
      fc.property(written, fc.boolean(), (text, isNegative) => {
        const signed = isNegative && !text.startsWith('-') ? `-${text}` : text;
        const expected = JSON.parse(signed) as number;
        fc.pre(Number.isFinite(expected));
        expect(read(signed)).toEqual({ value: expected, length: signed.length });
      }),
      { numRuns: 5_000 },
    );
  });

  it('are rounded to the even neighbour where they lie in the middle of two doubles', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 56n }), fc.nat(8), (whole, places) => {
        // Halfway between two doubles, and a last digit to either side.
        const middle = String((whole & ~7n) + 4n);
        for (const text of [middle, String(BigInt(middle) + 1n), String(BigInt(middle) - 1n)]) {
          const placed = places === 0 ? text : `${text.slice(0, -places)}.${text.slice(-places)}`;
          expect(read(placed).value).toBe(Number(placed));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(['', '-', '+1', '.5', '1.', '01', '-01', '1e', '1e+', 'NaN', 'Infinity', '1e999', '0x10', '--1', 'e5'])(
    'are refused in a form that JSON does not have: %j',
    (text) => {
      const { value, length } = read(text);
      expect(Number.isNaN(value) || length < text.length).toBe(true);
    },
  );
});

const floats = { name: 'x', datatype: 'FP32', shape: [2, 2], data: [1.5, -2, 0.1, 3e-7] };

/** A request as far as a model sees it: elements in a flat list. */
function meant({ id, parameters, inputs, outputs }: InferRequest): unknown {
  return {
    id,
    parameters,
    outputs,
    inputs: inputs.map((input) => ({ ...input, data: Array.from(flatData(input)), rowTexts: undefined })),
  };
}

function general(text: string): unknown {
  return meant(readInferRequest(parseJsonText(text, 100)));
}

describe('the quick reader', () => {
  it.each([
    ['flat numbers', { inputs: [floats] }],
    [
      'rows of numbers',
      {
        inputs: [
          {
            ...floats,
            data: [
              [1.5, -2],
              [0.1, 3e-7],
            ],
          },
        ],
      },
    ],
    ['doubles', { inputs: [{ ...floats, datatype: 'FP64' }] }],
    ['an id', { id: 'a-1', inputs: [floats] }],
    [
      'integers, truths and texts',
      {
        inputs: [
          { name: 'hour', datatype: 'INT64', shape: [2], data: [1_317_427_200_000, -3] },
          { name: 'wet', datatype: 'BOOL', shape: [2], data: [true, false] },
          { name: 'word', datatype: 'BYTES', shape: [2], data: ['', 'a b'] },
        ],
      },
    ],
  ])('reads %s as the general one does, however it is spaced', (_, request) => {
    for (const text of [JSON.stringify(request), JSON.stringify(request, null, 1), ` ${JSON.stringify(request, null, '\t')}\r\n`]) {
      const quick = readQuickly(Buffer.from(text));
      // Numbers over several lines are left to the other reader.
      if (!/\n\s+-?\d/.test(text)) expect(quick).not.toBeNull();
      if (quick !== null) expect(meant(quick)).toEqual(general(text));
    }
  });

  const text = JSON.stringify({ inputs: [floats] });
  it.each([
    ['a name twice', text.replace('"name":"x"', '"name":"x","name":"y"')],
    ['inputs twice', text.replace(/}$/, ',"inputs":[]}')],
    ['an unknown field', text.replace('"name"', '"__proto__":1,"name"')],
    ['parameters', text.replace(/}$/, ',"parameters":{"key":"anna"}}')],
    ['fewer numbers than the shape says', text.replace('[2,2]', '[3,2]')],
    ['more numbers than the shape says', text.replace('[2,2]', '[1,2]')],
    ['rows of another length', text.replace(/"data":.*?]/, '"data":[[1,2,3],[4]]')],
    ['more elements than there are bytes', text.replace('[2,2]', '[4294967296,4294967296]')],
    ['null among numbers', text.replace('-2', 'null')],
    ['text among numbers', text.replace('-2', '"-2"')],
    ['integers beyond 2^53', '{"inputs":[{"name":"i","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}'],
    ['escapes', text.replace('"x"', '"\\u0078"')],
    ['letters beyond ASCII', text.replace('"x"', '"é"')],
    ['something after the end', `${text}{}`],
    ['a comma too many', text.replace(']}]}', ',]}]}')],
    ['an end that is missing', text.slice(0, -1)],
    ['a number that is not finite', text.replace('1.5', '1e999')],
    ['nothing', ''],
  ])('leaves to the general one what has %s', (_, body) => {
    expect(readQuickly(Buffer.from(body))).toBeNull();
  });

  it.each([
    ['one list', '[ 1.50,-2, 0.1,3E-7 ]'],
    ['rows', '[[ 1.50,-2], [0.1,3E-7 ]]'],
  ])('keeps how the rows of %s were written, for captures', (_, data) => {
    const body = Buffer.from(text.replace(/"data":.*?]/, `"data":${data}`));
    const texts = readQuickly(body)!.inputs[0]!.rowTexts!;
    expect([0, 1].map((row) => JSON.parse(texts.list(row)) as unknown)).toEqual([
      [1.5, -2],
      [0.1, 3e-7],
    ]);
    expect(texts.list(0)).toContain('1.50');
  });

  it('takes no bytes that the general one refuses or reads otherwise', () => {
    const source = Buffer.from(JSON.stringify({ id: 'q', inputs: [floats, { name: 'b', datatype: 'BOOL', shape: [1], data: [true] }] }));
    const change = fc.record({ at: fc.nat(source.length - 1), byte: fc.integer({ min: 0x09, max: 0x7e }), cut: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        let bytes: Uint8Array = Buffer.from(source);
        for (const { at, byte, cut } of changes) {
          bytes[at % bytes.length] = byte;
          if (cut === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
        }
        const quick = readQuickly(bytes);
        if (quick !== null) expect(meant(quick)).toEqual(general(Buffer.from(bytes).toString()));
      }),
      { numRuns: 20_000 },
    );
  });
});
