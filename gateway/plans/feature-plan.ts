import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { compileFeatures } from '../../domain/feature-computation.js';
import { checkOutputNames, orderedInputs } from '../oip/signature-check.js';
import { readField } from '../oip/request-field.js';
import { quote } from '../oip/oip-request.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { Prepared, ServingPlan } from './serving-plan.js';
import { subjectOf } from './subject.js';
import type { NamedTensors, TensorMeta } from '../models/tensors.js';

type Scalar = string | number | boolean;

/**
 * Plan of a model with `request` fields and features: each field is a column of one value a row, the feature code of
 * training makes the matrix of it, and the first column of the output is the prediction, kept within the spec's bounds.
 * Throws `ArtifactRejected` when the ONNX file has other inputs or outputs than `serving.json` says.
 */
export function featurePlan(spec: ServingSpec, model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): ServingPlan {
  checkModel(spec, model);
  const { request: fields, eventTimeField, output } = spec;
  const width = spec.features.length;
  const fill = compileFeatures(spec.features);
  const positions = new Map(fields.map((field, index) => [field.name, index]));
  const limitLow = output.min ?? -Infinity;
  const limitHigh = output.max ?? Infinity;
  return {
    inputs: fields.map(({ name, datatype }) => ({ name, datatype, shape: [-1] })),
    outputs: [{ name: output.name, datatype: 'FP32', shape: [-1] }],
    batchable: true,
    prepare(request, { history, nowMs }) {
      checkOutputNames(request, [output.name]);
      const columns: (readonly Scalar[])[] = [];
      let rows = -1;
      const inputs = orderedInputs(request, positions);
      for (let i = 0; i < fields.length; i++) {
        const field = fields[i]!;
        const input = inputs[i];
        if (input === undefined) throw invalid(`input ${quote(field.name)} is missing: ${field.datatype} with shape [rows] is expected`);
        const { shape } = input;
        if (shape.length === 0 || shape.length > 2 || (shape.length === 2 && shape[1] !== 1)) {
          throw invalid(`input ${quote(field.name)} has shape [${shape.join(',')}]: [rows] or [rows,1] is expected`);
        }
        if (rows === -1) rows = shape[0]!;
        else if (shape[0] !== rows)
          throw invalid(
            `input ${quote(field.name)} has ${shape[0]} rows, ${quote(fields[0]!.name)} has ${rows}: all inputs must have the same`,
          );
        columns.push(readField(field, input));
      }
      if (rows < 1) throw invalid('the request has no rows: at least one is expected');
      const matrix = new Float32Array(rows * width);
      const records: Record<string, Scalar>[] = [];
      const subjects: (string | null)[] = [];
      const eventTimesMs: number[] = [];
      for (let row = 0; row < rows; row++) {
        const record: Record<string, Scalar> = {};
        for (let i = 0; i < fields.length; i++) record[fields[i]!.name] = columns[i]![row]!;
        const timeMs = eventTimeField === null ? nowMs : (record[eventTimeField] as number);
        try {
          fill({ timeMs, inputs: record }, matrix, row * width, history);
        } catch (error) {
          // A feature that refuses a value (text where a number is needed) is the request's fault.
          throw error instanceof PerennialError ? invalid(`row ${row}: ${error.message}`) : error;
        }
        records.push(record);
        eventTimesMs.push(timeMs);
        subjects.push(subjectOf(spec.subject, record));
      }
      const feeds: NamedTensors = { [spec.onnx.input]: { type: 'float32', dims: [rows, width], data: matrix } };
      return { rows, feeds, records, recordOf: (row) => records[row]!, subjects, eventTimesMs } satisfies Prepared;
    },
    read(tensors, rows) {
      const tensor = tensors[spec.onnx.output];
      if (tensor === undefined || tensor.data.length % rows !== 0 || tensor.data.length === 0) {
        throw new RequestError(
          'inferenceFailed',
          `the model answered ${tensor === undefined ? 'no' : `${tensor.data.length} values of`} ${quote(spec.onnx.output)} for ${rows} rows`,
        );
      }
      const step = tensor.data.length / rows;
      const values: number[] = [];
      for (let row = 0; row < rows; row++) {
        const value = Number(tensor.data[row * step]);
        if (!Number.isFinite(value))
          throw new RequestError('notFinite', `the model answered ${value} for row ${row}: a finite number is expected`);
        values.push(value < limitLow ? limitLow : value > limitHigh ? limitHigh : value);
      }
      return { outputs: [{ name: output.name, datatype: 'FP32', shape: [rows], data: values }], values };
    },
    sample: (rows) => ({ [spec.onnx.input]: { type: 'float32', dims: [rows, width], data: new Float32Array(rows * width) } }),
  };
}

function checkModel(spec: ServingSpec, model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] }): void {
  const refuse = (what: string): never => {
    throw new PerennialError('ArtifactRejected', `model.onnx of ${spec.model} ${what}; package the model again`);
  };
  const [input] = model.inputs;
  const width = spec.features.length;
  const told = model.inputs.map(({ name, type, shape }) => `${name}: ${type} [${shape.join(',')}]`).join('; ');
  if (model.inputs.length !== 1 || input!.name !== spec.onnx.input || input!.type !== 'float32') {
    refuse(`takes (${told}); serving.json says one input ${spec.onnx.input}: float32 [-1,${width}]`);
  }
  if (input!.shape.length !== 2 || input!.shape[0] !== -1 || (input!.shape[1] !== width && input!.shape[1] !== -1)) {
    refuse(`takes (${told}); serving.json has ${width} features, so [-1,${width}] is expected`);
  }
  if (!model.outputs.some(({ name }) => name === spec.onnx.output)) {
    refuse(`answers ${model.outputs.map(({ name }) => name).join(', ')}; serving.json reads ${spec.onnx.output}`);
  }
  if (spec.eventTimeField !== null && !spec.request.some(({ name, datatype }) => name === spec.eventTimeField && datatype === 'INT64')) {
    refuse(`has the event time in ${spec.eventTimeField}, which is no INT64 field of the request in serving.json`);
  }
  for (const name of spec.subject) {
    if (!spec.request.some((field) => field.name === name))
      refuse(`names ${name} as subject, which is no field of the request in serving.json`);
  }
}
