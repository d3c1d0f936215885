import type { ImportReport } from '../../contracts/activities.js';
import type { ObjectRef, PackageFile, PackageRef } from '../../contracts/artifacts.js';
import { importedCard } from '../../domain/imported-card.js';
import { canonicalJson } from '../../domain/json.js';
import { packageDigest } from '../artifact.activities.js';
import { readOnnxStructure } from '../evaluation/onnx-structure.js';
import type { ImportEvaluation } from './evaluate-import.js';
import { type Import, type ImportDeps, jsonType } from './import-deps.js';
import { importedSpec } from './imported-spec.js';

/** Stores the package around a file that was evaluated. */
export async function packageImport(
  { objects }: Pick<ImportDeps, 'objects'>,
  { definition, imported, report }: Import & { readonly report: ImportReport },
): Promise<PackageRef> {
  const structure = readOnnxStructure(await objects.get(imported.onnx.digest));
  const evaluation = JSON.parse(Buffer.from(await objects.get(report.object.digest)).toString('utf8')) as ImportEvaluation;
  const trainedToMs = imported.trainedToMs ?? null;
  const { framework, opsets, inputs, outputs } = evaluation;
  const manifest = { trainer: 'imported', framework, opsets, onnx: imported.onnx.digest, trainedToMs };
  const card = importedCard({
    definition,
    framework,
    trainedToMs,
    inputs,
    outputs,
    parity: report.parity,
    latencyP95Ms: report.latencyP95Ms,
  });
  const put = async (path: string, text: string, mediaType: string): Promise<PackageFile> =>
    fileOf(path, await objects.put(Buffer.from(text), mediaType));
  const files = [
    fileOf('model.onnx', imported.onnx),
    fileOf('input-example.json', report.example),
    fileOf('evaluation.json', report.object),
    ...(imported.expected === undefined ? [] : [fileOf('expected-output.json', imported.expected)]),
    await put('serving.json', canonicalJson(importedSpec(definition, structure)), jsonType),
    await put('manifest.json', canonicalJson(manifest), jsonType),
    await put('card.md', card, 'text/markdown'),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { digest: packageDigest(files), files };
}

function fileOf(path: string, { digest, bytes }: ObjectRef): PackageFile {
  return { path, digest, bytes };
}
