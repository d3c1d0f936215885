import type { Datatype, OutputValues } from './datatypes.js';
import { arrays, bounds } from './datatypes.js';
import { InferenceError } from './errors.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

type Values = ArrayLike<unknown>;
type NumberArray = ArrayBufferView & ArrayLike<number | bigint> & { readonly BYTES_PER_ELEMENT: number };
type Named = { readonly name: string; readonly datatype: Datatype };

/** Elements as the protocol has them in binary: little-endian, BOOL one byte, BYTES with a 32-bit length before each. */
export function toBytes({ name, datatype }: Named, values: Values): Uint8Array {
  if (datatype === 'BYTES') return textBytes(name, values);
  if (datatype === 'BOOL') return Uint8Array.from(values as ArrayLike<boolean | number>, (value) => (value ? 1 : 0));
  const array = toArray({ name, datatype }, values);
  return swapped(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), array.BYTES_PER_ELEMENT);
}

/** Elements of a datatype from their bytes. Throws `protocol` when the bytes do not make `count` of them. */
export function fromBytes<D extends Datatype>(
  { name, datatype }: { name: string; datatype: D },
  bytes: Uint8Array,
  count: number,
): OutputValues[D] {
  const read = (): unknown => {
    if (datatype === 'BYTES') return textsOf(bytes);
    if (datatype === 'BOOL') return Array.from(bytes, (byte) => byte !== 0);
    const kind = arrays[datatype as keyof typeof arrays];
    if (bytes.length % kind.BYTES_PER_ELEMENT !== 0) return [];
    // A copy, so that it is aligned and keeps nothing else in memory.
    return new kind(swapped(bytes.slice(), kind.BYTES_PER_ELEMENT).buffer as ArrayBuffer);
  };
  const values = read() as OutputValues[D];
  if (values.length === count) return values;
  throw new InferenceError(
    'protocol',
    `output "${name}" has ${bytes.length} bytes, which are not the ${count} elements of ${datatype} that its shape says`,
  );
}

/** Numbers as an array of the datatype, each of them exactly. Throws `invalid` naming the first that does not fit. */
export function toArray({ name, datatype }: Named, values: Values): NumberArray {
  const kind = arrays[datatype as keyof typeof arrays];
  if (values instanceof kind) return values as NumberArray;
  const [low, high] = bounds[datatype] ?? [];
  const isBig = datatype === 'INT64' || datatype === 'UINT64';
  const array = new kind(values.length) as { [index: number]: unknown };
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
    if (low !== undefined ? !whole || BigInt(value as number) < low || BigInt(value as number) > high! : typeof value !== 'number')
      throw new InferenceError(
        'invalid',
        `input "${name}", element ${i}, is ${String(value)}: ${low === undefined ? 'a number' : `a whole number from ${low} to ${high}`} is expected`,
      );
    array[i] = isBig ? BigInt(value as number) : typeof value === 'bigint' ? Number(value) : value;
  }
  return array as NumberArray;
}

function textBytes(name: string, values: Values): Uint8Array {
  const parts = Array.from(values, (value, i) => {
    if (value instanceof Uint8Array) return value;
    if (typeof value === 'string') return encoder.encode(value);
    throw new InferenceError('invalid', `input "${name}", element ${i}, is ${typeof value}: text or bytes are expected`);
  });
  const bytes = new Uint8Array(parts.reduce((size, part) => size + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

function textsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const texts: string[] = [];
  try {
    for (let at = 0; at < bytes.length;) {
      const end = at + 4 + view.getUint32(at, true);
      if (end > bytes.length) return [];
      texts.push(decoder.decode(bytes.subarray(at + 4, end)));
      at = end;
    }
  } catch (cause) {
    throw new InferenceError('protocol', 'the answer has BYTES that are not UTF-8 or are cut off', { cause });
  }
  return texts;
}

/** The bytes of each element the other way round, on a machine that has them so. */
function swapped(bytes: Uint8Array, width: number): Uint8Array {
  if (littleEndian || width === 1) return bytes;
  const turned = bytes.slice();
  for (let at = 0; at < turned.length; at += width) turned.subarray(at, at + width).reverse();
  return turned;
}
