/** Element types of ONNX Runtime that the gateway carries. */
export type ElementType =
  'float16' | 'float32' | 'float64' | 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64' | 'bool' | 'string';

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** A tensor as it travels between the request, a batch, and a thread. Row-major. */
export type Tensor = { readonly type: ElementType; readonly dims: readonly number[]; readonly data: TensorData };
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** An input or output of a model; -1 is a dimension that the request chooses. */
export type TensorMeta = { readonly name: string; readonly type: string; readonly shape: readonly number[] };

/**
 * Datatypes of the Open Inference Protocol with the type of ONNX Runtime. FP16 travels as its bits (`Uint16Array`) and has
 * no JSON form; BF16 is missing because ONNX Runtime's Node binding does not carry it.
 */
export const elementTypes: Readonly<Record<string, ElementType>> = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
};

const datatypes = new Map(Object.entries(elementTypes).map(([datatype, type]) => [type as string, datatype]));

/** The protocol's word for a type of ONNX Runtime, `UNKNOWN` when it has none. */
export function datatypeOf(type: string): string {
  return datatypes.get(type) ?? 'UNKNOWN';
}

/** Zeros (or empty strings) of a type. */
export function emptyData(type: ElementType, length: number): TensorData {
  switch (type) {
    case 'float32':
      return new Float32Array(length);
    case 'float64':
      return new Float64Array(length);
    case 'int8':
      return new Int8Array(length);
    case 'int16':
      return new Int16Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'int64':
      return new BigInt64Array(length);
    case 'uint8':
    case 'bool':
      return new Uint8Array(length);
    case 'uint16':
    case 'float16':
      return new Uint16Array(length);
    case 'uint32':
      return new Uint32Array(length);
    case 'uint64':
      return new BigUint64Array(length);
    case 'string':
      return Array.from<string>({ length }).fill('');
  }
}

/** Number of elements of a shape. */
export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const dim of dims) size *= dim;
  return size;
}

/** Tensors of one name put one after the other along the first dimension. */
export function concatenate(tensors: readonly Tensor[]): Tensor {
  const first = tensors[0]!;
  if (tensors.length === 1) return first;
  let rows = 0;
  let length = 0;
  for (const tensor of tensors) {
    rows += tensor.dims[0]!;
    length += tensor.data.length;
  }
  const dims = [rows, ...first.dims.slice(1)];
  if (first.type === 'string') return { type: 'string', dims, data: tensors.flatMap((tensor) => tensor.data as string[]) };
  const data = emptyData(first.type, length) as Float32Array;
  let offset = 0;
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, offset);
    offset += tensor.data.length;
  }
  return { type: first.type, dims, data };
}

/** Rows `from` to `from + rows` of a tensor whose first dimension is the rows. */
export function sliceRows(tensor: Tensor, from: number, rows: number): Tensor {
  const width = tensor.data.length / tensor.dims[0]!;
  const data =
    tensor.type === 'string'
      ? (tensor.data as string[]).slice(from * width, (from + rows) * width)
      : (tensor.data as Float32Array).subarray(from * width, (from + rows) * width);
  return { type: tensor.type, dims: [rows, ...tensor.dims.slice(1)], data };
}
