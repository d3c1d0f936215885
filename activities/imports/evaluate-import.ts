import type { ImportReport, Parity } from '../../contracts/activities.js';
import type { ObjectRef, ServingSpec } from '../../contracts/artifacts.js';
import { digestOf } from '../../contracts/digest.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';
import { percentile95 } from '../evaluation/onnx-model.js';
import { readOnnxStructure } from '../evaluation/onnx-structure.js';
import type { PackageAnswers } from '../trial-ports.js';
import { importedShape } from '../version-shape.js';
import { compareWithExpected, defaultTolerance } from './expected-answers.js';
import { type Import, type ImportDeps, jsonType } from './import-deps.js';
import { importedSpec } from './imported-spec.js';

const latencyRuns = 200;

/** `evaluation.json` of an imported version. */
export type ImportEvaluation = Pick<ImportReport, 'framework' | 'parity' | 'latencyP95Ms'> &
  Pick<PackageAnswers, 'inputs' | 'outputs'> & {
    readonly model: string;
    readonly onnx: string;
    readonly opsets: readonly string[];
    /** Runs that the latency was measured on. */
    readonly runs: number;
    /** SHA-256 over the canonical JSON of what the file answered to the example. */
    readonly answers: string;
  };

/** Looks at a file, asks it as a gateway will, compares what it answers, and stores `evaluation.json`. */
export async function evaluateImport({ objects, trials }: ImportDeps, { definition, imported }: Import): Promise<ImportReport> {
  const model = await objects.get(imported.onnx.digest);
  const structure = readOnnxStructure(model);
  const spec = importedSpec(definition, structure);
  const example = imported.example === undefined ? null : readExample(await objects.get(imported.example.digest));
  if (imported.expected !== undefined && imported.example === undefined)
    throw new PerennialError(
      'ArtifactRejected',
      `the import of ${definition.name} says what is expected, and not of which request: give the request too, --example request.json`,
    );
  const asked = await trials.ask({ model, spec: unbounded(spec), example }, latencyRuns);
  const parity = await parityOf({ objects }, { imported, answers: asked.answers });
  const framework = imported.framework ?? structure.producer ?? 'unknown framework';
  const { inputs, outputs } = asked;
  const latencyP95Ms = percentile95(asked.runsMs);
  const evaluation: ImportEvaluation = {
    model: definition.name,
    onnx: imported.onnx.digest,
    framework,
    opsets: structure.opsets,
    inputs,
    outputs,
    parity,
    latencyP95Ms,
    runs: asked.runsMs.length,
    answers: digestOf(asked.answers),
  };
  const put = (value: unknown): Promise<ObjectRef> => objects.put(Buffer.from(canonicalJson(value)), jsonType);
  return {
    latencyP95Ms,
    parity,
    framework,
    shape: importedShape(definition, { signature: { inputs, outputs }, framework }),
    example: imported.example ?? (await put(asked.example)),
    object: await put(evaluation),
  };
}

/** The file itself is compared with what its native model answered, which knows nothing of bounds. */
function unbounded(spec: ServingSpec): ServingSpec {
  return { ...spec, output: { name: spec.output.name } };
}

function readExample(bytes: Uint8Array): unknown {
  const [example, fault] = parsed(Buffer.from(bytes).toString('utf8'));
  // Null would stand for no example.
  if (example !== null) return example;
  throw new PerennialError(
    'ArtifactRejected',
    `the example is ${fault}: give an Open Inference Protocol request: {"inputs": [{"name", "datatype", "shape", "data"}]}`,
  );
}

function parsed(text: string): [unknown, string] {
  try {
    return [JSON.parse(text), 'null'];
  } catch (cause) {
    return [null, `no JSON (${(cause as Error).message})`];
  }
}

async function parityOf(
  { objects }: Pick<ImportDeps, 'objects'>,
  { imported, answers }: Pick<Import, 'imported'> & Pick<PackageAnswers, 'answers'>,
): Promise<Parity | null> {
  const { expected, tolerance = defaultTolerance } = imported;
  return expected === undefined ? null : compareWithExpected(answers, await objects.get(expected.digest), tolerance);
}
