import { PerennialError } from '../../domain/errors.js';
import type { ModelDefinition } from '../../domain/model-definition.js';
import type { FeatureRows } from './evaluation-deps.js';
import type { OnnxModel } from './onnx-model.js';
import type { OnnxStructure, OnnxValue } from './onnx-structure.js';

/** Rows that the trainer ran through its own copy of the file, from the manifest. An absent feature is null. */
export type ParitySample = {
  readonly inputs: readonly (readonly (number | null)[])[];
  readonly outputs: readonly number[];
  readonly tolerance: number;
};

/** The file must take the definition's features and answer one number a row; `ArtifactRejected` names what differs. */
export function checkSignature(structure: OnnxStructure, definition: Pick<ModelDefinition, 'name' | 'features'>): void {
  const width = definition.features.length;
  const [input, ...furtherInputs] = structure.inputs;
  const [output, ...furtherOutputs] = structure.outputs;
  if (input === undefined || furtherInputs.length > 0)
    throw rejected(`has inputs ${listed(structure.inputs)}: expected one, float32 [-1,${width}]`);
  if (input.type !== 'float32' || input.shape === null || input.shape.length !== 2 || input.shape[0] !== -1 || input.shape[1] !== width) {
    throw rejected(
      `takes ${listed([input])}: expected float32 [-1,${width}], the ${width} features of ${definition.name} (${definition.features.map(({ name }) => name).join(', ')})`,
    );
  }
  const column =
    output !== undefined &&
    (output.shape === null ||
      (output.shape[0] === -1 && (output.shape.length === 1 || (output.shape.length === 2 && Math.abs(output.shape[1]!) === 1))));
  if (output === undefined || furtherOutputs.length > 0 || output.type !== 'float32' || !column) {
    throw rejected(`answers ${listed(structure.outputs)}: expected one output, float32 [-1] or [-1,1]`);
  }
}

/**
 * The file must answer a finite number for every sample row, the same for a row alone as in a batch, and for the trainer's
 * own rows what the trainer saw. `ArtifactRejected` names the first row that differs.
 */
export async function checkAnswers(model: OnnxModel, rows: FeatureRows, parity: ParitySample): Promise<void> {
  const { width, matrix } = rows;
  const predicted = await model.predict(matrix, width);
  const bad = predicted.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw rejected(
      `answers ${predicted[bad]} for sample row ${bad} (event time ${new Date(rows.timesMs[bad]!).toISOString()}): a finite number is expected`,
    );
  for (let row = 0; row < Math.min(5, predicted.length); row++) {
    const alone = (await model.predict(matrix.subarray(row * width, (row + 1) * width), width))[0]!;
    if (differs(alone, predicted[row]!, parity.tolerance))
      throw rejected(
        `answers ${alone} for sample row ${row} alone and ${predicted[row]} in a batch: they must agree within ${parity.tolerance}`,
      );
  }
  await checkParity(model, width, parity);
}

async function checkParity(model: OnnxModel, width: number, { inputs, outputs, tolerance }: ParitySample): Promise<void> {
  if (inputs.length === 0 || inputs.length !== outputs.length || inputs.some((row) => row.length !== width)) {
    throw rejected(
      `comes with a parity sample of ${inputs.length} rows and ${outputs.length} outputs: expected as many of both, with ${width} features a row`,
    );
  }
  const answers = await model.predict(
    Float32Array.from(inputs.flat(), (value) => value ?? NaN),
    width,
  );
  outputs.forEach((expected, row) => {
    if (differs(answers[row]!, expected, tolerance))
      throw rejected(
        `answers ${answers[row]} for row ${row} of the trainer's parity sample, where the trainer saw ${expected} (tolerance ${tolerance}): the file is not the one that was trained`,
      );
  });
}

/** Relative to the answer, absolute below 1, as the trainer measures it. NaN differs from everything. */
export function differs(found: number, expected: number, tolerance: number): boolean {
  return !(Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected)));
}

export function listed(values: readonly OnnxValue[]): string {
  return values.length === 0
    ? 'none'
    : values.map(({ name, type, shape }) => `${name}: ${type} ${shape === null ? '(no shape)' : `[${shape.join(',')}]`}`).join(', ');
}

function rejected(what: string): PerennialError {
  return new PerennialError('ArtifactRejected', `model.onnx ${what}`);
}
