import { invalid } from '../http/request-error.js';
import { element } from '../oip/oip-response.js';
import type { OutputTensor } from '../plans/serving-plan.js';
import type { Rows, TextParts } from '../prediction/answer-rows.js';

/** An output as nested JSON lists by its shape. Texts of an output whose name ends in `_bytes` are told as base64. */
export function nestedJson(output: OutputTensor): TextParts {
  const [rows] = output.shape;
  return rows === undefined ? [value(output, 0)] : ['[', rowsOf(output, rows), ']'];
}

/** The rows of an output as nested JSON. Throws a `RequestError` when it has other rows than `rows`. */
export function nestedRows(output: OutputTensor, rows: number): Rows {
  const { shape, name } = output;
  if (shape[0] !== rows)
    throw invalid(
      `output ${JSON.stringify(name)} has shape [${shape.join(',')}], which has no rows: ask with "inputs" instead of "instances"`,
    );
  return rowsOf(output, rows);
}

function rowsOf(output: OutputTensor, rows: number): Rows {
  const size = rows === 0 ? 0 : output.data.length / rows;
  return { rows, between: ',', write: (row) => nested(output, { axis: 1, at: row * size, size }) };
}

function nested(output: OutputTensor, part: { axis: number; at: number; size: number }): string {
  const { axis, at, size } = part;
  const dim = output.shape[axis];
  if (dim === undefined) return value(output, at);
  const step = dim === 0 ? 0 : size / dim;
  let text = '';
  for (let i = 0; i < dim; i++) text += `${i === 0 ? '' : ','}${nested(output, { axis: axis + 1, at: at + i * step, size: step })}`;
  return `[${text}]`;
}

function value({ name, datatype, data }: OutputTensor, at: number): string {
  const one = data[at]!;
  if (datatype === 'BYTES' && name.endsWith('_bytes')) return `{"b64":"${Buffer.from(one as string).toString('base64')}"}`;
  return element(one, datatype);
}
