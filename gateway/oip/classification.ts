import { invalid } from '../http/request-error.js';
import { halfNumber } from '../models/half.js';
import type { OutputTensor } from '../plans/serving-plan.js';
import { quote } from './oip-request.js';

/** More elements than this are not ranked. */
const maxElements = 1_000_000;

/**
 * An output as its `count` largest values of each row, the largest first, told as text "value:index". A row is all that
 * the first dimension holds; `perRow` is false when the model has no rows, so that all of the output is one.
 */
export function classified(output: OutputTensor, of: { readonly count: number; readonly perRow: boolean }): OutputTensor {
  const { name, datatype, shape } = output;
  if (datatype === 'BYTES' || datatype === 'BOOL')
    throw invalid(`class result not available for output ${quote(name)} due to unsupported type ${quote(datatype)}`);
  const data = output.data as ArrayLike<number | bigint>;
  if (data.length > maxElements) throw invalid(`classification output tensor ${quote(name)} is too large: ${data.length} elements`);
  const rows = of.perRow ? shape[0]! : 1;
  const width = rows === 0 ? 0 : data.length / rows;
  const count = Math.min(of.count, width);
  const value = datatype === 'FP16' ? (at: number) => halfNumber(Number(data[at])) : (at: number) => data[at]!;
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const from = row * width;
    const ranked = Array.from({ length: width }, (_, index) => index).sort((a, b) => order(value(from + b), value(from + a)) || a - b);
    for (let k = 0; k < count; k++) texts.push(`${written(value(from + ranked[k]!), datatype)}:${ranked[k]!}`);
  }
  return { name, datatype: 'BYTES', shape: of.perRow ? [rows, count] : [count], data: texts };
}

const order = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** A number with as many digits as its datatype needs to be read back. */
function written(value: number | bigint, datatype: string): string {
  if (datatype !== 'FP32') return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(Number(value).toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}
