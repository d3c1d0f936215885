import { invalid } from '../http/request-error.js';
import type { RequestError } from '../http/request-error.js';
import { firstNotFinite, firstNotFiniteHalf } from '../models/finite.js';
import type { ElementType, TensorData } from '../models/tensors.js';
import { emptyData } from '../models/tensors.js';
import { quote } from './oip-request.js';

/** Bytes of one element of a type; BYTES has none of its own. */
const widths: Readonly<Record<Exclude<ElementType, 'string'>, number>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  float16: 2,
  int32: 4,
  uint32: 4,
  float32: 4,
  int64: 8,
  uint64: 8,
  float64: 8,
};

/** The typed array that holds a type's elements. */
export const arrays = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float64: Float64Array,
} as const;

export type RawInput = { readonly name: string; readonly type: ElementType; readonly count: number; readonly raw: Uint8Array };

/**
 * Bytes as the `count` elements of a tensor: a view of them where their place in memory allows it, a copy elsewhere. Throws
 * a `RequestError` when there are more or fewer bytes than the elements take, or when a value is none that JSON could have
 * carried (NaN, an infinity, a BOOL other than 0 and 1, text that is not UTF-8).
 */
export function readRaw(input: RawInput): TensorData {
  const { name, type, count, raw } = input;
  if (type === 'string') return readTexts(input);
  const expected = count * widths[type];
  if (raw.length !== expected) throw invalid(`input byte size mismatch for input ${quote(name)}: expected ${expected}, got ${raw.length}`);
  const data = typed(type, raw, count);
  const refused = firstRefused(type, data);
  if (refused >= 0)
    throw invalid(`input ${quote(name)}, element ${refused}, is ${wordOf(type, data, refused)}: ${expectedOf(type)} is expected`);
  return data;
}

/** Bytes of one element. */
export function widthOf(type: Exclude<ElementType, 'string'>): number {
  return widths[type];
}

function typed(type: Exclude<ElementType, 'string'>, raw: Uint8Array, count: number): Exclude<TensorData, string[]> {
  if (raw.byteOffset % widths[type] === 0) return new arrays[type](raw.buffer as ArrayBuffer, raw.byteOffset, count);
  const copy = emptyData(type, count) as Exclude<TensorData, string[]>;
  new Uint8Array(copy.buffer).set(raw);
  return copy;
}

/** Index of the first element that is refused; -1 when there is none. */
function firstRefused(type: ElementType, data: Exclude<TensorData, string[]>): number {
  if (type === 'float32' || type === 'float64') return firstNotFinite(data as Float32Array);
  if (type === 'float16') return firstNotFiniteHalf(data as Uint16Array);
  return type === 'bool' ? (data as Uint8Array).findIndex((value) => value > 1) : -1;
}

function wordOf(type: ElementType, data: ArrayLike<number | bigint>, at: number): string {
  if (type !== 'float16') return String(data[at]);
  return (Number(data[at]) & 0x3ff) === 0 ? 'an infinity' : 'NaN';
}

const expectedOf = (type: ElementType): string => (type === 'bool' ? '0 or 1' : 'a finite number');

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The error of text that ONNX Runtime's Node binding would silently cut: it hands text on as C has it. */
export function zeroByte(name: string, index: number): RequestError {
  return invalid(`input ${quote(name)}, element ${index}, holds a zero byte, after which ONNX Runtime would see nothing: leave it out`);
}

/** Elements of BYTES: each a 32-bit little-endian length and as many bytes of UTF-8. */
function readTexts({ name, count, raw }: RawInput): string[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  // Four bytes an element are the least there can be: a shape of billions does not make a list of billions.
  if (count * 4 > raw.length)
    throw invalid(`input ${quote(name)}: ${raw.length} bytes are too few for ${count} elements of BYTES, each with its length before it`);
  const texts: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > raw.length) throw invalid(`expected ${count} string elements for inference input ${quote(name)}, got ${i}`);
    const length = view.getUint32(at, true);
    at += 4;
    if (length > raw.length - at)
      throw invalid(`input ${quote(name)}, element ${i}, says it has ${length} bytes: ${raw.length - at} are left`);
    try {
      texts.push(decoder.decode(raw.subarray(at, at + length)));
    } catch {
      throw invalid(`input ${quote(name)}, element ${i}, is not UTF-8`);
    }
    if (texts[i]!.includes('\0')) throw zeroByte(name, i);
    at += length;
  }
  if (at !== raw.length)
    throw invalid(
      `unexpected number of string elements for inference input ${quote(name)}: ${count} are expected, and ${raw.length - at} bytes are left over`,
    );
  return texts;
}
