/** Values that a tensor of a datatype is made of. FP16 and BF16 are their bits, since JavaScript has no such numbers. */
export type InputValues = {
  BOOL: readonly boolean[] | Uint8Array;
  UINT8: readonly number[] | Uint8Array;
  UINT16: readonly number[] | Uint16Array;
  UINT32: readonly number[] | Uint32Array;
  UINT64: readonly (bigint | number)[] | BigUint64Array;
  INT8: readonly number[] | Int8Array;
  INT16: readonly number[] | Int16Array;
  INT32: readonly number[] | Int32Array;
  INT64: readonly (bigint | number)[] | BigInt64Array;
  FP16: Uint16Array;
  BF16: Uint16Array;
  FP32: readonly number[] | Float32Array;
  FP64: readonly number[] | Float64Array;
  BYTES: readonly (string | Uint8Array)[];
};

/** What the elements of an answered tensor are. */
export type OutputValues = {
  BOOL: boolean[];
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Uint16Array;
  BF16: Uint16Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: string[];
};

export type Datatype = keyof InputValues;

/** The arrays that hold a datatype's elements; BOOL and BYTES have forms of their own. */
export const arrays = {
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** Least and greatest value of the whole numbers. */
export const bounds: Partial<Record<Datatype, readonly [bigint, bigint]>> = {
  UINT8: [0n, 2n ** 8n - 1n],
  UINT16: [0n, 2n ** 16n - 1n],
  UINT32: [0n, 2n ** 32n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-(2n ** 7n), 2n ** 7n - 1n],
  INT16: [-(2n ** 15n), 2n ** 15n - 1n],
  INT32: [-(2n ** 31n), 2n ** 31n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

export function isDatatype(name: string): name is Datatype {
  return name === 'BOOL' || name === 'BYTES' || name in arrays;
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
