import { basename } from 'node:path';
import { z } from 'zod';
import type { EvaluationReport, FeatureSet, TrainedModel } from '../../contracts/activities.js';
import type { ObjectRef, PackageFile, PackageRef, ServingSpec } from '../../contracts/artifacts.js';
import { modelCard } from '../../domain/card.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';
import { isImported, type ModelDefinition, type TrainedDefinition } from '../../domain/model-definition.js';
import { packageDigest } from '../artifact.activities.js';
import { withScratch } from '../data/data-deps.js';
import { checkAnswers, checkSignature } from './check-onnx.js';
import { type EvaluationDeps, readFeatures } from './evaluation-deps.js';
import { proveFirstRun } from './first-run.js';
import { inputExample } from './input-example.js';
import { loadOnnx } from './onnx-model.js';
import { readOnnxStructure } from './onnx-structure.js';

export type PackageInput = {
  readonly definition: TrainedDefinition;
  readonly trained: TrainedModel;
  readonly sample: FeatureSet;
  readonly evaluation: ObjectRef;
};

const sampleRows = 256;

/** What is read of a trainer's manifest. */
const manifestShape = z.object({
  trainer: z.string(),
  packages: z.record(z.string(), z.string()),
  rows: z.object({ train: z.number() }).optional(),
  files: z.object({ native: z.string() }).optional(),
  sample: z.object({ inputs: z.array(z.array(z.number().nullable())), outputs: z.array(z.number()), tolerance: z.number().min(0) }),
});

/** Checks the trained file and stores the package around it. Nothing is stored of a file that is rejected. */
export async function packageModel(deps: EvaluationDeps, { definition, trained, sample, evaluation }: PackageInput): Promise<PackageRef> {
  const onnx = await deps.objects.get(trained.onnx.digest);
  const manifest = readManifest(await deps.objects.get(trained.manifest.digest));
  const structure = readOnnxStructure(onnx);
  checkSignature(structure, definition);
  const [rows] = await Promise.all([
    withScratch(deps, [], (scratch) =>
      readFeatures(deps, { features: sample, eventTime: definition.eventTime, limit: sampleRows }, scratch),
    ),
    proveFirstRun(deps.trials, onnx, definition.features.length),
  ]);
  // Unbounded: the file itself is compared with what the trainer saw.
  const model = await loadOnnx(onnx, {});
  try {
    await checkAnswers(model, rows, manifest.sample);
  } finally {
    await model.close();
  }
  const spec = servingSpecOf(definition, model);
  const report = JSON.parse(Buffer.from(await deps.objects.get(evaluation.digest)).toString('utf8')) as EvaluationReport;
  const card = modelCard({
    definition,
    metrics: report.metrics,
    evaluated: report,
    framework: frameworkOf(manifest),
    trainingRows: manifest.rows?.train ?? null,
  });
  const put = async (path: string, text: string, mediaType: string): Promise<PackageFile> =>
    fileOf(path, await deps.objects.put(Buffer.from(text), mediaType));
  const files = [
    fileOf('model.onnx', trained.onnx),
    fileOf(basename(manifest.files?.native ?? 'native'), trained.native),
    fileOf('manifest.json', trained.manifest),
    fileOf('evaluation.json', evaluation),
    await put('serving.json', canonicalJson(spec), 'application/json'),
    await put('input-example.json', canonicalJson(inputExample(definition, rows)), 'application/json'),
    await put('card.md', card, 'text/markdown'),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { digest: packageDigest(files), files };
}

/** `serving.json`: what the gateway answers by, all of it from the definition but the names inside the file. */
export function servingSpecOf(definition: ModelDefinition, onnx: { readonly input: string; readonly output: string }): ServingSpec {
  const { serving, features } = definition;
  const eventTime = isImported(definition) ? null : definition.eventTime;
  // How long captures are kept is nothing that a gateway answers by.
  const { retentionDays: _, ...capture } = serving.capture ?? {};
  return {
    model: definition.name,
    request: serving.request,
    features,
    eventTimeField: serving.request.some(({ name }) => name === eventTime) ? eventTime : null,
    subject: serving.subject,
    onnx: { input: onnx.input, output: onnx.output },
    output: serving.output,
    // Left out where the definition has none, so that the packages of older definitions stay what they are.
    ...(Object.keys(capture).length === 0 ? {} : { capture }),
    ...(serving.cache === undefined ? {} : { cache: serving.cache }),
    ...(serving.entities === undefined ? {} : { entities: serving.entities }),
    ...(serving.accelerator === undefined ? {} : { accelerator: serving.accelerator }),
  };
}

function readManifest(bytes: Uint8Array): z.infer<typeof manifestShape> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new PerennialError('ArtifactRejected', 'manifest.json of the trainer is no JSON', { cause });
  }
  const parsed = manifestShape.safeParse(value);
  if (!parsed.success)
    throw new PerennialError(
      'ArtifactRejected',
      `manifest.json of the trainer lacks what packaging needs: ${z.prettifyError(parsed.error)}`,
    );
  return parsed.data;
}

function frameworkOf({ trainer, packages }: z.infer<typeof manifestShape>): string {
  const version = packages[trainer];
  return version === undefined ? trainer : `${trainer} ${version}`;
}

function fileOf(path: string, { digest, bytes }: ObjectRef): PackageFile {
  return { path, digest, bytes };
}
