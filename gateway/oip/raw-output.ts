import type { OutputTensor } from '../plans/serving-plan.js';
import type { ElementType } from '../models/tensors.js';
import { elementTypes, emptyData } from '../models/tensors.js';
import { arrays } from './raw-elements.js';

/** The elements of an output as bytes, little-endian, BYTES with a 32-bit length before each element. Numbers are not copied. */
export function rawBytes(output: OutputTensor): Uint8Array {
  const { data, datatype } = output;
  if (datatype === 'BYTES') return textBytes(data as ArrayLike<string>);
  const type = elementTypes[datatype] as Exclude<ElementType, 'string'>;
  // A prediction kept within bounds, say, may be FP32 in a plain list.
  const held = data instanceof arrays[type] ? data : copied(type, data as ArrayLike<number | bigint>);
  return new Uint8Array(held.buffer as ArrayBuffer, held.byteOffset, held.byteLength);
}

function copied(type: ElementType, data: ArrayLike<number | bigint>): ArrayBufferView {
  const copy = emptyData(type, data.length) as Float32Array;
  for (let i = 0; i < data.length; i++) copy[i] = data[i] as number;
  return copy;
}

function textBytes(texts: ArrayLike<string>): Uint8Array {
  let size = 0;
  for (let i = 0; i < texts.length; i++) size += 4 + Buffer.byteLength(texts[i]!);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = 0; i < texts.length; i++) {
    const length = bytes.write(texts[i]!, at + 4);
    bytes.writeUInt32LE(length, at);
    at += 4 + length;
  }
  return bytes;
}
