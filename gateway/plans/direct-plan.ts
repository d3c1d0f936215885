import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { quote } from '../oip/oip-request.js';
import type { RequestInput } from '../oip/oip-request.js';
import { invalid, RequestError } from '../http/request-error.js';
import { firstNotFinite, firstNotFiniteHalf } from '../models/finite.js';
import { halfNumber } from '../models/half.js';
import { DirectRows } from './direct-rows.js';
import type { OutputTensor, ServingPlan } from './serving-plan.js';
import { checkOutputNames, orderedInputs } from '../oip/signature-check.js';
import { tensorData } from '../oip/tensor-elements.js';
import type { ElementType, NamedTensors, Tensor, TensorMeta } from '../models/tensors.js';
import { datatypeOf, elementTypes, emptyData, sizeOf } from '../models/tensors.js';

/** An input of the model, with what is told of it when a request does not agree. */
type Slot = { readonly name: string; readonly type: ElementType; readonly datatype: string; readonly shape: readonly number[] };

/**
 * Plan of a package without features: the request's tensors are the model's, checked against the ONNX file's own
 * inputs. Every output goes to the caller; captures hold the first value a row of the output that `serving.json` names.
 */
export function directPlan(spec: ServingSpec, model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): ServingPlan {
  checkModel(spec, model);
  const slots = model.inputs.map(({ name, type, shape }): Slot => ({ name, type: type as ElementType, datatype: datatypeOf(type), shape }));
  const outputs = model.outputs.map(({ name, type, shape }) => ({ name, datatype: datatypeOf(type), shape }));
  const positions = new Map(slots.map(({ name }, index) => [name, index]));
  const outputNames = outputs.map(({ name }) => name);
  const hasRows = ({ shape }: { shape: readonly number[] }): boolean => shape[0] === -1;
  const batchable = slots.every((input) => hasRows(input) && !input.shape.includes(-1, 1)) && outputs.every(hasRows);
  return {
    inputs: slots.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    outputs,
    batchable,
    prepare(request, { nowMs }) {
      checkOutputNames(request, outputNames);
      const given = orderedInputs(request, positions);
      const feeds: Record<string, Tensor> = {};
      let rows = 1;
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        const input = checked(slot, given[i]);
        if (batchable) {
          if (i === 0) rows = input.shape[0]!;
          else if (input.shape[0] !== rows)
            throw invalid(
              `input ${quote(slot.name)} has ${input.shape[0]} rows, ${quote(slots[0]!.name)} has ${rows}: all inputs must have the same`,
            );
        }
        feeds[slot.name] = { type: slot.type, dims: input.shape, data: tensorData(request, input, slot.type) };
      }
      if (rows < 1) throw invalid('the request has no rows: at least one is expected');
      return new DirectRows(spec, { rows, feeds, nowMs, inputs: request.inputs });
    },
    read(tensors, rows) {
      const answered: OutputTensor[] = [];
      for (const { name, datatype } of outputs) {
        const tensor = tensors[name];
        if (tensor === undefined) throw new RequestError('inferenceFailed', `the model answered no ${quote(name)}`);
        answered.push({ name, datatype, shape: tensor.dims, data: finiteData(name, tensor) });
      }
      return { outputs: answered, values: figures(tensors[spec.onnx.output]!, rows) };
    },
    sample: (rows) => Object.fromEntries(model.inputs.map((input) => [input.name, zeros(input, rows)])) satisfies NamedTensors,
  };
}

function checkModel(spec: ServingSpec, model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): void {
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
}

/** More than this ONNX Runtime takes of no size, not even beside one of 0. */
const largestSize = 2 ** 31 - 1;

/** The request's input for a slot, its datatype and shape as the model has them. */
function checked({ name, datatype, shape }: Slot, input: RequestInput | undefined): RequestInput {
  if (input === undefined) throw invalid(`input ${quote(name)} is missing: ${datatype} with shape [${shape.join(',')}] is expected`);
  if (input.datatype !== datatype) throw invalid(`input ${quote(name)} has datatype ${quote(input.datatype)}: ${datatype} is expected`);
  let agrees = input.shape.length === shape.length;
  for (let axis = 0; agrees && axis < shape.length; axis++) agrees = shape[axis] === -1 || shape[axis] === input.shape[axis];
  if (!agrees)
    throw invalid(`input ${quote(name)} has shape [${input.shape.join(',')}]: [${shape.join(',')}] is expected, -1 being any size`);
  // Where it holds anything, so many elements did not come.
  for (const dim of input.shape)
    if (dim > largestSize && sizeOf(input.shape) === 0)
      throw invalid(`input ${quote(name)} has shape [${input.shape.join(',')}]: sizes up to ${largestSize} are expected`);
  return input;
}

/** The elements of an output. Throws `notFinite` when one of them is NaN or an infinity. */
function finiteData(name: string, { type, data }: Tensor): Tensor['data'] {
  const refuse = (at: number, value: unknown): never => {
    throw new RequestError('notFinite', `the model answered ${value} in element ${at} of ${quote(name)}: a finite number is expected`);
  };
  if (type === 'float32' || type === 'float64') {
    const at = firstNotFinite(data as Float32Array);
    if (at >= 0) refuse(at, data[at]);
  } else if (type === 'float16') {
    // As bits, whatever array this Node's ONNX Runtime answers them in.
    const view = data as Uint16Array;
    const bits = data instanceof Uint16Array ? data : new Uint16Array(view.buffer, view.byteOffset, view.length);
    const at = firstNotFiniteHalf(bits);
    if (at >= 0) refuse(at, halfNumber(bits[at]!));
    return bits;
  }
  return data;
}

function zeros(input: TensorMeta, rows: number): Tensor {
  const dims = input.shape.map((dim, axis) => (dim !== -1 ? dim : axis === 0 ? rows : 1));
  const type = input.type as ElementType;
  return { type, dims, data: emptyData(type, sizeOf(dims)) };
}

/** The first value of each row; null where it is no number. */
function figures({ type, data }: Tensor, rows: number): (number | null)[] {
  const step = data.length / rows;
  if (!Number.isInteger(step) || step === 0 || type === 'string') return Array<null>(rows).fill(null);
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    const value = Number(data[row * step]);
    values.push(type === 'float16' ? halfNumber(value) : value);
  }
  return values;
}
