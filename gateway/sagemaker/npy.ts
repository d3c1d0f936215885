import { invalid } from '../http/request-error.js';
import type { RequestInput } from '../oip/oip-request.js';
import type { OutputTensor } from '../plans/serving-plan.js';

/** An array in NumPy's `.npy` form: its values as little-endian bytes, row-major. */
export type NpyArray = { readonly datatype: string; readonly shape: readonly number[]; readonly bytes: Buffer };

type Elements = { readonly descr: string; readonly size: number; of(values: ArrayLike<number | bigint>): NodeJS.TypedArray };

/** NumPy's types by the protocol's. The machines that Node's ONNX Runtime runs on are all little-endian, as these are. */
const types: Readonly<Record<string, Elements>> = {
  BOOL: { descr: '|b1', size: 1, of: (values) => Uint8Array.from(values as ArrayLike<number>) },
  UINT8: { descr: '|u1', size: 1, of: (values) => Uint8Array.from(values as ArrayLike<number>) },
  UINT16: { descr: '<u2', size: 2, of: (values) => Uint16Array.from(values as ArrayLike<number>) },
  UINT32: { descr: '<u4', size: 4, of: (values) => Uint32Array.from(values as ArrayLike<number>) },
  UINT64: { descr: '<u8', size: 8, of: (values) => BigUint64Array.from(values as ArrayLike<bigint>) },
  INT8: { descr: '|i1', size: 1, of: (values) => Int8Array.from(values as ArrayLike<number>) },
  INT16: { descr: '<i2', size: 2, of: (values) => Int16Array.from(values as ArrayLike<number>) },
  INT32: { descr: '<i4', size: 4, of: (values) => Int32Array.from(values as ArrayLike<number>) },
  INT64: { descr: '<i8', size: 8, of: (values) => BigInt64Array.from(values as ArrayLike<bigint>) },
  FP32: { descr: '<f4', size: 4, of: (values) => Float32Array.from(values as ArrayLike<number>) },
  FP64: { descr: '<f8', size: 8, of: (values) => Float64Array.from(values as ArrayLike<number>) },
};
const magic = Buffer.from('\x93NUMPY', 'latin1');
const maxHeader = 10_000;

/** Reads an array. Throws a `RequestError` for what is no `.npy` file, is in Fortran order or big-endian, or has another length. */
export function readNpy(body: Buffer): NpyArray {
  if (body.length < 12 || !body.subarray(0, 6).equals(magic)) throw invalid('the body is no .npy array: it does not begin with \\x93NUMPY');
  const isWide = body[6]! >= 2;
  const length = isWide ? body.readUInt32LE(8) : body.readUInt16LE(8);
  const from = isWide ? 12 : 10;
  if (length > maxHeader || from + length > body.length)
    throw invalid(`the .npy header is said to have ${length} bytes: they are not there`);
  const header = body.toString('latin1', from, from + length);
  const found = /^\{'descr': '([^']{1,8})', 'fortran_order': (True|False), 'shape': \(([\d, ]{0,200})\),? ?\}\s*$/.exec(header);
  if (found === null) throw invalid(`the .npy header ${JSON.stringify(header.slice(0, 100))} is not understood`);
  const [, descr, fortran, sizes] = found as unknown as [string, string, string, string];
  const type = Object.entries(types).find(([, known]) => known.descr === descr);
  if (type === undefined) {
    const taken = Object.values(types).map((known) => known.descr);
    throw invalid(`.npy values of type ${descr} are not taken: ${taken.join(', ')} are`);
  }
  if (fortran === 'True') throw invalid('the .npy array is in Fortran order: save numpy.ascontiguousarray(array)');
  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const bytes = body.subarray(from + length);
  const needed = shape.reduce((size, dim) => size * dim, type[1].size);
  if (needed !== bytes.length)
    throw invalid(`the .npy array has ${bytes.length} bytes of values: its shape (${sizes}) of ${descr} needs ${needed}`);
  return { datatype: type[0], shape, bytes };
}

/** An output of numbers as an `.npy` array. */
export function writeNpy({ name, datatype, shape, data }: OutputTensor): Buffer {
  const type = types[datatype];
  if (type === undefined) throw invalid(`output ${name} of ${datatype} has no .npy form: accept application/json`);
  const head = `{'descr': '${type.descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  // NumPy wants the values to begin at a multiple of 64.
  const padded = `${head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.alloc(10);
  magic.copy(start);
  start[6] = 1;
  start.writeUInt16LE(padded.length, 8);
  const values = type.of(data as ArrayLike<number | bigint>);
  return Buffer.concat([start, Buffer.from(padded, 'latin1'), new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}

/** An array as an input with these bytes; a copy of those in shared memory, which a model does not take. */
export function npyInput(name: string, { datatype, shape, bytes }: NpyArray): RequestInput {
  return { name, datatype, shape, data: undefined, raw: bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes) };
}

/** The columns of an array of rows, each as bytes of its own. */
export function npyColumns({ datatype, shape, bytes }: NpyArray): Buffer[] {
  const { size } = types[datatype]!;
  const [rows = 0, width = 1] = shape;
  return Array.from({ length: width }, (_, column) => {
    const out = Buffer.alloc(rows * size);
    for (let row = 0; row < rows; row++) bytes.copy(out, row * size, (row * width + column) * size, (row * width + column + 1) * size);
    return out;
  });
}
