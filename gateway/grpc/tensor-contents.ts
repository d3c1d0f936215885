import type { RequestInput } from '../oip/oip-request.js';
import { quote } from '../oip/oip-request.js';
import { invalid } from '../http/request-error.js';
import { delimited, fixed32, fixed64, readFields, varint } from './message-reader.js';
import type { MessageReader } from './message-reader.js';

/** An input as far as it was read: what its contents are to be. */
export type ContentsOf = { readonly name: string; readonly datatype: string; readonly size: number };

const fieldNames = [
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
];

/** Field of `InferTensorContents` that holds the elements of a datatype. */
const fieldOf: Readonly<Record<string, number>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

type Whole = Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

const arrays: Readonly<Record<string, new (length: number) => Whole>> = {
  BOOL: Uint8Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
};

/**
 * The elements of an `InferTensorContents`: bytes for numbers and booleans (packed floats lie in the message as raw tensors
 * do, so they are only pointed at), a list for BYTES. Throws a `RequestError` when the field is not the datatype's, or holds
 * another number of elements than the shape says.
 */
export function readContents(bytes: Uint8Array, of: ContentsOf): Pick<RequestInput, 'data' | 'raw'> {
  const field = fieldOf[of.datatype];
  if (field === undefined) throw invalid(noContents(of));
  if (field === 8) return { data: readTexts(bytes, of) };
  if (field >= 6) return { data: undefined, raw: readFloats(bytes, { ...of, field, width: field === 6 ? 4 : 8 }) };
  return { data: undefined, raw: field === 3 || field === 5 ? readLongs(bytes, { ...of, field }) : readWholes(bytes, { ...of, field }) };
}

function noContents({ name, datatype }: ContentsOf): string {
  return datatype === 'FP16' || datatype === 'BF16'
    ? `input ${quote(name)}: ${datatype} has no contents: send its elements in raw_input_contents`
    : `input ${quote(name)} has datatype ${quote(datatype)}: ${Object.keys(fieldOf).join(', ')} are known, and raw FP16 and BF16`;
}

type Place = ContentsOf & { readonly field: number };

function readFloats(bytes: Uint8Array, place: Place & { readonly width: 4 | 8 }): Uint8Array {
  const { field, width, size } = place;
  let all: Uint8Array | undefined;
  let filled = 0;
  const single = width === 4 ? fixed32(field) : fixed64(field);
  const take = (part: Uint8Array): void => {
    // Nearly always there is one packed part, which needs no copy.
    if (all === undefined && part.length === size * width) all = part;
    else {
      if (filled + part.length > size * width) throw miscounted(place, Math.floor((filled + part.length) / width));
      all ??= new Uint8Array(size * width);
      all.set(part, filled);
    }
    filled += part.length;
  };
  readElements(bytes, place, (tag, reader) => {
    if (tag === delimited(field)) take(reader.bytes());
    else if (tag === single) {
      take(reader.buf.subarray(reader.pos, reader.pos + width));
      reader.skip(width);
    } else return false;
    return true;
  });
  if (filled !== size * width) throw miscounted(place, Math.floor(filled / width));
  return all ?? new Uint8Array();
}

/** INT64 and UINT64, exactly: the two halves of each element are written as they are. */
function readLongs(bytes: Uint8Array, place: Place): Uint8Array {
  const halves = room(bytes, place, (length) => new Uint32Array(2 * length));
  let count = 0;
  readVarints(bytes, place, (reader) => {
    const long = reader.uint64();
    if (count < place.size) {
      halves[2 * count] = long.low;
      halves[2 * count + 1] = long.high;
    }
    count++;
  });
  if (count !== place.size) throw miscounted(place, count);
  return new Uint8Array(halves.buffer);
}

function readWholes(bytes: Uint8Array, place: Place): Uint8Array {
  const { name, datatype, field, size } = place;
  const values = room(bytes, place, (length) => new arrays[datatype]!(length));
  let count = 0;
  readVarints(bytes, place, (reader) => {
    const value = field === 1 ? Number(reader.bool()) : field === 2 ? reader.int32() : reader.uint32();
    if (count < size) {
      values[count] = value;
      if (values[count] !== value) throw invalid(`input ${quote(name)}, element ${count}, is ${value}: it is no ${datatype}`);
    }
    count++;
  });
  if (count !== size) throw miscounted(place, count);
  return new Uint8Array(values.buffer as ArrayBuffer, 0, values.byteLength);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readTexts(bytes: Uint8Array, of: ContentsOf): string[] {
  const texts: string[] = [];
  readElements(bytes, { ...of, field: 8 }, (tag, reader) => {
    if (tag !== delimited(8)) return false;
    if (texts.length === of.size) throw miscounted({ ...of, field: 8 }, texts.length + 1);
    const element = reader.bytes();
    try {
      texts.push(decoder.decode(element));
    } catch {
      throw invalid(`input ${quote(of.name)}, element ${texts.length}, is not UTF-8`);
    }
    return true;
  });
  if (texts.length !== of.size) throw miscounted({ ...of, field: 8 }, texts.length);
  return texts;
}

/** Memory for the elements that the shape announces; each takes a byte of the message at least. */
function room<T>(bytes: Uint8Array, place: Place, make: (length: number) => T): T {
  if (place.size > bytes.length)
    throw invalid(
      `input ${quote(place.name)}: ${fieldNames[place.field - 1]} has fewer elements than its shape needs, which is ${place.size}`,
    );
  return make(place.size);
}

function readVarints(bytes: Uint8Array, place: Place, element: (reader: MessageReader) => void): void {
  readElements(bytes, place, (tag, reader) => {
    if (tag === varint(place.field)) element(reader);
    else if (tag === delimited(place.field)) {
      const end = reader.uint32() + reader.pos;
      if (end > reader.len) throw invalid(`input ${quote(place.name)}: its contents end early`);
      while (reader.pos < end) element(reader);
    } else return false;
    return true;
  });
}

/** Reads contents whose elements stand in one field; another field with elements is refused. */
function readElements(bytes: Uint8Array, place: Place, field: (tag: number, reader: MessageReader) => boolean): void {
  readFields(bytes, (tag, reader) => {
    if (field(tag, reader)) return true;
    const other = fieldNames[(tag >>> 3) - 1];
    if (other !== undefined)
      throw invalid(`input ${quote(place.name)} has ${other}: ${fieldNames[place.field - 1]} are expected for ${place.datatype}`);
    return false;
  });
}

function miscounted({ name, field, size }: Place, found: number): Error {
  return invalid(`input ${quote(name)}: ${fieldNames[field - 1]} has ${found} elements, its shape needs ${size}`);
}
