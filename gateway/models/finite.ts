/** Index of the first NaN or infinity; -1 when all are numbers. */
export function firstNotFinite(numbers: Float32Array | Float64Array): number {
  // NaN and the infinities times zero are NaN, and a sum with NaN stays NaN: one pass without a branch.
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += numbers[i]! * 0;
  return sum === 0 ? -1 : (numbers as Float32Array).findIndex((value) => !Number.isFinite(value));
}

/** The same for half-precision floats, by their bits. */
export function firstNotFiniteHalf(bits: Uint16Array): number {
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7c00) === 0x7c00) return i;
  return -1;
}
