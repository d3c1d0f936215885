import { z } from 'zod';
import { formatCount } from '../../domain/format.js';
import { type ModelDefinition, isImported } from '../../domain/model-definition.js';
import type { VersionDetails } from '../api/answers.js';
import type { ApiClient } from '../client/api-client.js';

const tensors = z.array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) }));
const evaluation = z.object({
  framework: z.string(),
  parity: z.object({ values: z.number(), largestDifference: z.number(), tolerance: z.number() }).nullable(),
  inputs: tensors,
  outputs: tensors,
});

/** What is known of a version that was made elsewhere; tensors as callers see them, -1 is a size that the request chooses. */
export type ImportedFacts = z.infer<typeof evaluation>;

/** Read from `evaluation.json` of the version's package; null for a version that was trained here. */
export async function importedFacts(
  api: Pick<ApiClient, 'packageFile'>,
  { model, version, datasetDigest, package: { files } }: VersionDetails,
): Promise<ImportedFacts | null> {
  const file = datasetDigest === null ? files.find(({ path }) => path === 'evaluation.json') : undefined;
  if (file === undefined) return null;
  const bytes = await api.packageFile({ model, version, digest: file.digest });
  return evaluation.parse(JSON.parse(new TextDecoder().decode(bytes)));
}

/** Where it comes from, and how near it is to what its framework answers: what an approver has instead of metrics. */
export function originFacts(facts: ImportedFacts | null): [string, string][] {
  if (facts === null) return [];
  const { framework, parity } = facts;
  const near =
    parity === null
      ? 'its answers were compared with nothing: nobody said what the native model answers'
      : `${formatCount(parity.values, 'value')} as the native model answers them, largest difference ${parity.largestDifference.toPrecision(2)}, tolerance ${parity.tolerance}`;
  return [
    ['imported', `from ${framework}`],
    ['compared', near],
  ];
}

/** The tensors of its file. */
export function tensorFacts(facts: ImportedFacts | null): [string, string][] {
  if (facts === null) return [];
  const told = (list: ImportedFacts['inputs']): string =>
    list.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(',')}]`).join(', ');
  return [
    ['takes', told(facts.inputs)],
    ['answers', told(facts.outputs)],
  ];
}

/** The command by which a model gets a version. */
export function versionCommand(definition: ModelDefinition): string {
  return isImported(definition)
    ? `Import one: ./perennial import ${definition.name} model.onnx`
    : `Train one: ./perennial train ${definition.name}`;
}
