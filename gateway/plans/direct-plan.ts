import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { quote } from '../oip/oip-request.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { OutputTensor, Prepared, ServingPlan } from './serving-plan.js';
import { checkOutputNames, orderedInputs } from '../oip/signature-check.js';
import { subjectOf } from './subject.js';
import { halfNumber } from '../models/half.js';
import { tensorData } from '../oip/tensor-elements.js';
import type { ElementType, NamedTensors, Tensor, TensorMeta } from '../models/tensors.js';
import { datatypeOf, elementTypes, emptyData, sizeOf } from '../models/tensors.js';

/** Values of one row that a capture keeps of an input; wider inputs are left out of captures. */
const maxCapturedValues = 64;

/**
 * Plan of a package without features: the request's tensors are the model's, checked against the ONNX file's own
 * inputs. Every output goes to the caller; captures hold the first value a row of the output that `serving.json` names.
 */
export function directPlan(spec: ServingSpec, model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): ServingPlan {
  for (const tensor of [...model.inputs, ...model.outputs]) {
    if (elementTypes[datatypeOf(tensor.type)] === undefined) {
      throw new PerennialError(
        'ArtifactRejected',
        `model.onnx of ${spec.model} has ${tensor.name} of type ${tensor.type}, which the gateway cannot carry; export it with another type`,
      );
    }
  }
  if (!model.outputs.some(({ name }) => name === spec.onnx.output)) {
    throw new PerennialError(
      'ArtifactRejected',
      `model.onnx of ${spec.model} answers ${model.outputs.map(({ name }) => name).join(', ')}; serving.json reads ${spec.onnx.output}`,
    );
  }
  const { inputs, outputs } = model;
  const positions = new Map(inputs.map((input, index) => [input.name, index]));
  const outputNames = outputs.map(({ name }) => name);
  const hasRows = (tensor: TensorMeta): boolean => tensor.shape.length > 0 && tensor.shape[0] === -1;
  const batchable = inputs.every((input) => hasRows(input) && input.shape.slice(1).every((dim) => dim !== -1)) && outputs.every(hasRows);
  const signature = ({ name, type, shape }: TensorMeta) => ({ name, datatype: datatypeOf(type), shape });
  return {
    inputs: inputs.map(signature),
    outputs: outputs.map(signature),
    batchable,
    prepare(request, { nowMs }) {
      checkOutputNames(request, outputNames);
      const given = orderedInputs(request, positions);
      const feeds: Record<string, Tensor> = {};
      let rows = batchable ? -1 : 1;
      inputs.forEach((meta, index) => {
        const input = given[index];
        const expected = `${datatypeOf(meta.type)} with shape [${meta.shape.join(',')}]`;
        if (input === undefined) throw invalid(`input ${quote(meta.name)} is missing: ${expected} is expected`);
        if (input.datatype !== datatypeOf(meta.type))
          throw invalid(`input ${quote(meta.name)} has datatype ${quote(input.datatype)}: ${datatypeOf(meta.type)} is expected`);
        if (input.shape.length !== meta.shape.length || meta.shape.some((dim, axis) => dim !== -1 && dim !== input.shape[axis])) {
          throw invalid(
            `input ${quote(meta.name)} has shape [${input.shape.join(',')}]: [${meta.shape.join(',')}] is expected, -1 being any size`,
          );
        }
        if (batchable) {
          if (rows === -1) rows = input.shape[0]!;
          else if (input.shape[0] !== rows)
            throw invalid(
              `input ${quote(meta.name)} has ${input.shape[0]} rows, ${quote(inputs[0]!.name)} has ${rows}: all inputs must have the same`,
            );
        }
        const type = meta.type as ElementType;
        feeds[meta.name] = { type, dims: input.shape, data: tensorData(request, input, type) };
      });
      if (rows < 1) throw invalid('the request has no rows: at least one is expected');
      return preparedRows(spec, { rows, feeds, nowMs });
    },
    read(tensors, rows) {
      const answered = outputs.map(({ name }): OutputTensor => {
        const tensor = tensors[name];
        if (tensor === undefined) throw new RequestError('inferenceFailed', `the model answered no ${quote(name)}`);
        if (tensor.type === 'float16') return { name, datatype: 'FP16', shape: tensor.dims, data: halfBits(name, tensor.data) };
        if (tensor.type === 'float32' || tensor.type === 'float64') {
          const at = (tensor.data as Float32Array).findIndex((value) => !Number.isFinite(value));
          if (at >= 0)
            throw new RequestError(
              'notFinite',
              `the model answered ${tensor.data[at]} in element ${at} of ${quote(name)}: a finite number is expected`,
            );
        }
        return { name, datatype: datatypeOf(tensor.type), shape: tensor.dims, data: tensor.data };
      });
      return { outputs: answered, values: figures(tensors[spec.onnx.output]!, rows) };
    },
    sample: (rows) => Object.fromEntries(inputs.map((input) => [input.name, zeros(input, rows)])) satisfies NamedTensors,
  };
}

/** What captures need of the rows is made only when it is asked for: most requests of a busy gateway are not captured. */
function preparedRows(spec: ServingSpec, { rows, feeds, nowMs }: { rows: number; feeds: NamedTensors; nowMs: number }): Prepared {
  let made: Record<string, string | number | boolean>[] | undefined;
  const records = (): Record<string, string | number | boolean>[] =>
    (made ??= Array.from({ length: rows }, (_, row) => recordOf(feeds, { row, rows })));
  const timeOf = (record: Record<string, string | number | boolean>): number => {
    const time = record[spec.eventTimeField!];
    return typeof time === 'number' ? time : nowMs;
  };
  return {
    rows,
    feeds,
    get records() {
      return records();
    },
    get subjects() {
      return spec.subject.length === 0 ? Array<null>(rows).fill(null) : records().map((record) => subjectOf(spec.subject, record));
    },
    get eventTimesMs() {
      return spec.eventTimeField === null ? Array<number>(rows).fill(nowMs) : records().map(timeOf);
    },
  };
}

function zeros(input: TensorMeta, rows: number): Tensor {
  const dims = input.shape.map((dim, axis) => (dim !== -1 ? dim : axis === 0 ? rows : 1));
  const type = input.type as ElementType;
  return { type, dims, data: emptyData(type, sizeOf(dims)) };
}

function figures(tensor: Tensor, rows: number): (number | null)[] {
  const step = tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const value = Number.isInteger(step) ? tensor.data[row * step] : undefined;
    if (typeof value === 'string' || value === undefined) return null;
    return tensor.type === 'float16' ? halfNumber(Number(value)) : Number(value);
  });
}

/** FP16 as its bits, whatever array this Node's ONNX Runtime answers them in. Throws `notFinite` for NaN and infinities. */
function halfBits(name: string, data: Tensor['data']): Uint16Array {
  const bits =
    data instanceof Uint16Array ? data : new Uint16Array((data as Uint8Array).buffer, (data as Uint8Array).byteOffset, data.length);
  const at = bits.findIndex((value) => (value & 0x7c00) === 0x7c00);
  if (at >= 0)
    throw new RequestError(
      'notFinite',
      `the model answered ${halfNumber(bits[at]!)} in element ${at} of ${quote(name)}: a finite number is expected`,
    );
  return bits;
}

function recordOf(feeds: NamedTensors, at: { row: number; rows: number }): Record<string, string | number | boolean> {
  const record: Record<string, string | number | boolean> = {};
  for (const [name, tensor] of Object.entries(feeds)) {
    const width = tensor.data.length / at.rows;
    if (!Number.isInteger(width) || width > maxCapturedValues) continue;
    const values = Array.from({ length: width }, (_, i) => plain(tensor, at.row * width + i));
    record[name] = width === 1 ? values[0]! : JSON.stringify(values);
  }
  return record;
}

function plain(tensor: Tensor, at: number): string | number | boolean {
  const value = tensor.data[at]!;
  if (tensor.type === 'bool') return value === 1;
  if (tensor.type === 'float16') return halfNumber(Number(value));
  return typeof value === 'bigint' ? Number(value) : value;
}
