import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { checkSignature } from '../evaluation/check-onnx.js';
import type { OnnxStructure } from '../evaluation/onnx-structure.js';
import { servingSpecOf } from '../evaluation/package-model.js';

/** `serving.json` of an imported file. `ArtifactRejected` names what the file and the definition do not agree in. */
export function importedSpec(definition: ImportedDefinition, structure: OnnxStructure): ServingSpec {
  if (definition.features.length > 0) {
    checkSignature(structure, definition);
    return servingSpecOf(definition, { input: structure.inputs[0]!.name, output: structure.outputs[0]!.name });
  }
  const { serving } = definition;
  const inputs = structure.inputs.map(({ name }) => name);
  const outputs = structure.outputs.map(({ name }) => name);
  const noTensor = [...structure.inputs, ...structure.outputs].find(({ type }) => type === 'no tensor');
  if (noTensor !== undefined)
    throw rejected(
      `has ${quoted([noTensor.name])} as a sequence or a map, where callers send and get tensors alone: export it with tensors (skl2onnx and onnxmltools: zipmap off)`,
    );
  if (!outputs.includes(serving.output.name))
    throw rejected(
      `answers ${quoted(outputs)}, and serving.output.name of ${definition.name} is ${quoted([serving.output.name])}: name one of the file's outputs in the definition`,
    );
  for (const [at, names] of [
    ['serving.subject', serving.subject],
    ['serving.capture.redact', (serving.capture?.redact ?? []).map(({ field }) => field)],
  ] as const) {
    const absent = names.filter((name) => !inputs.includes(name));
    if (absent.length > 0)
      throw rejected(
        `takes ${quoted(inputs)}, and ${at} of ${definition.name} names ${quoted(absent)}: name inputs of the file in the definition`,
      );
  }
  return servingSpecOf(definition, { input: inputs[0] ?? '', output: serving.output.name });
}

function quoted(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.map((name) => JSON.stringify(name)).join(', ');
}

function rejected(what: string): PerennialError {
  return new PerennialError('ArtifactRejected', `model.onnx ${what}`);
}
