import type { ModelTrial, ModelTrials, TrialRun, TrialTensors } from '../../activities/trial-ports.js';
import type { DevicePlace } from '../../domain/devices.js';
import { PerennialError } from '../../domain/errors.js';
import type { RequestField } from '../../domain/model-definition.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import type { GatewayConfig } from '../gateway-config.js';
import { RequestError } from '../http/request-error.js';
import { readInferRequest } from '../oip/oip-request.js';
import { directPlan } from '../plans/direct-plan.js';
import { featurePlan } from '../plans/feature-plan.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { madeExample } from './made-example.js';
import type { PackageContents } from './package-files.js';
import type { Engine, ModelCost } from './placement.js';
import type { NamedTensors, TensorMeta } from './tensors.js';
import { quietRun } from './quiet-run.js';
import { repeatableRandom } from './repeatable-random.js';
import { concatenate } from './tensors.js';
import { tryTrees } from './trees/tried-trees.js';

/** A version that has proved itself: how requests become its tensors, and what it costs. */
export type TriedVersion = { readonly plan: ServingPlan; readonly cost: ModelCost; readonly engine: Engine };

export type FirstRunsDeps = {
  readonly trials: ModelTrials;
  readonly config: Pick<GatewayConfig, 'trialMemoryBytes' | 'loadLimitMs' | 'inPlaceMaxMs' | 'compileTrees'>;
};

const measuredRuns = 20;
const measuredBatches = 5;
const batchedRequests = 32;
/** Sizes of larger batches that are tried, of models that are cheap enough to have them. */
const largerBatches = [64, 128, 256];
/** A batch may cost so much more a row than the cheapest size: it spares the others their own run. */
const tolerated = 1.2;
/** A model whose runs take longer would be at a batch of many for minutes. */
const slowMs = 1_000;
/** A session's own structures, as measured with the smallest models. */
const leastBytes = 256 * 1024;

/**
 * Opens a version's model in a process of its own, on the CPU or where `on` says, checks it against `serving.json`, and measures its first runs: on the
 * package's own example, whose answers must be finite, and on zeros, which need not mean anything to the model but must
 * not take its process down. Without an example it must answer zeros, or a request that is made of its inputs, with finite
 * numbers. Throws `ArtifactRejected` with the reason.
 */
export async function tryVersion({ trials, config }: FirstRunsDeps, contents: PackageContents, on?: DevicePlace): Promise<TriedVersion> {
  const trial = await trials.open(contents.model, { memoryBytes: config.trialMemoryBytes, limitMs: config.loadLimitMs }, on);
  try {
    const plan = planOf(contents, trial);
    if (contents.example === null) await proveFinite({ plan, trial, fields: contents.spec.request });
    const cost = await measureFirstRuns({ plan, trial, example: contents.example, quickMs: config.inPlaceMaxMs });
    const trees = on === undefined && config.compileTrees && plan.batchable ? await tryTrees(contents.model, { plan, trial }) : null;
    if (trees !== null && trees.runMs <= Math.min(cost.runMs, config.inPlaceMaxMs)) return { plan, cost: trees, engine: 'compiledTrees' };
    // Small models hide in memory that the process had anyway.
    return { plan, cost: { ...cost, bytes: Math.max(cost.bytes, contents.model.byteLength, leastBytes) }, engine: 'onnxRuntime' };
  } finally {
    await trial.close();
  }
}

/** How requests become tensors of this package's model. Throws `ArtifactRejected` when file and `serving.json` disagree. */
export function planOf(
  { spec }: Pick<PackageContents, 'spec'>,
  model: { inputs: readonly TensorMeta[]; outputs: readonly TensorMeta[] },
): ServingPlan {
  return spec.features.length === 0 ? directPlan(spec, model) : featurePlan(spec, model);
}

/**
 * Runs an opened model as `tryVersion` does, on its own example (null for zeros alone), and tells what it costs. Throws
 * `ArtifactRejected` with the reason, and the `RequestError` of an example that the plan refuses.
 */
export async function measureFirstRuns(of: {
  readonly plan: ServingPlan;
  readonly trial: ModelTrial;
  readonly example: unknown;
  /** A model whose runs take longer is costly, and measured less. */
  readonly quickMs: number;
}): Promise<ModelCost> {
  const { plan, trial } = of;
  const zeros = plan.sample(1);
  const example = of.example === null ? null : plan.prepare(readInferRequest(of.example), { history: outcomeHistory(), nowMs: Date.now() });
  const feeds = example?.feeds ?? zeros;
  const rows = example?.rows ?? 1;
  const run = async (feeds: NamedTensors, times: number, rows: number) => {
    const ran = await trial.run(feeds as TrialTensors, times);
    check({ plan, outputs: ran.outputs as NamedTensors, rows, mayBeNotFinite: example === null });
    return ran;
  };
  // A costly model is known as such after three runs; the rest would only delay it.
  let ran = await run(feeds, 3, rows);
  const runsMs = [...ran.runsMs];
  if (Math.min(...runsMs) <= 10 * of.quickMs) {
    ran = await run(feeds, measuredRuns - 3, rows);
    runsMs.push(...ran.runsMs);
  }
  if (example !== null) await onZeros(trial, zeros);
  const runMs = quietRun(runsMs);
  if (!plan.batchable) return { loadMs: trial.loadMs, runMs, rowMs: 0, bestRows: rows, bytes: ran.bytes, peakBytes: ran.peakBytes };
  const requests = runMs > slowMs ? 2 : batchedRequests;
  const many = rows * requests;
  const cheap = runMs <= of.quickMs;
  const same = await run(repeated(feeds, requests), 1, many);
  const batches = cheap ? await runVaried(trial, repeated(feeds, requests)) : same;
  const sizes = [{ rows: many, ms: quietRun(batches.runsMs) }];
  let last = batches;
  if (cheap)
    for (const size of largerBatches) {
      last = await runVaried(trial, repeated(feeds, size));
      sizes.push({ rows: rows * size, ms: quietRun(last.runsMs) });
    }
  return {
    loadMs: trial.loadMs,
    runMs,
    rowMs: Math.max(0, (sizes[0]!.ms - runMs) / (many - rows)),
    bestRows: cheap ? bestRows(sizes) : Infinity,
    bytes: Math.max(ran.bytes, batches.bytes, last.bytes),
    peakBytes: Math.max(ran.peakBytes, batches.peakBytes, last.peakBytes),
  };
}

/**
 * Batches whose numbers differ from row to row: a tree ensemble takes the same way through its trees for equal rows, and is
 * then several times as fast as it ever is with requests. What it answers to them is not looked at.
 */
export function varied(feeds: NamedTensors): NamedTensors {
  const changed: Record<string, NamedTensors[string]> = {};
  const next = repeatableRandom();
  for (const name in feeds) {
    const tensor = feeds[name]!;
    const isFloat = tensor.type === 'float32' || tensor.type === 'float64';
    changed[name] = isFloat
      ? { ...tensor, data: (tensor.data as Float32Array).map((value) => value * (0.5 + next()) + 4 * (next() - 0.5)) }
      : tensor;
  }
  return changed;
}

/** Numbers that nobody would send may be refused; then there are only equal rows to measure by. */
async function runVaried(trial: ModelTrial, feeds: NamedTensors): Promise<TrialRun> {
  try {
    return await trial.run(varied(feeds) as TrialTensors, measuredBatches);
  } catch (error) {
    if (!refusedByModel(error)) throw error;
    return await trial.run(feeds as TrialTensors, measuredBatches);
  }
}

/** Whether a model only refused the values that it was given. */
export function refusedByModel(error: unknown): boolean {
  return error instanceof PerennialError && error.details['refusedBy'] === 'model';
}

/** The largest batch that costs little more a row than the cheapest: some runtimes' tree ensembles cost twice as much in large ones. */
export function bestRows(sizes: readonly { readonly rows: number; readonly ms: number }[]): number {
  const cheapest = Math.min(...sizes.map(({ rows, ms }) => ms / rows));
  return Math.max(...sizes.filter(({ rows, ms }) => ms / rows <= cheapest * tolerated).map(({ rows }) => rows));
}

function check(of: { plan: ServingPlan; outputs: NamedTensors; rows: number; mayBeNotFinite: boolean }): void {
  try {
    of.plan.read(of.outputs, of.rows);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (of.mayBeNotFinite && error.kind === 'notFinite') return;
    throw new PerennialError('ArtifactRejected', error.message, { cause: error });
  }
}

/** A model of which nothing finite was ever seen would take requests only to fail them. */
async function proveFinite({
  plan,
  trial,
  fields,
}: {
  plan: ServingPlan;
  trial: ModelTrial;
  fields: readonly RequestField[];
}): Promise<void> {
  const isFinite = async (feeds: NamedTensors): Promise<boolean> => {
    try {
      const { outputs } = await trial.run(feeds as TrialTensors, 1);
      plan.read(outputs as NamedTensors, 1);
      return true;
    } catch (error) {
      if (refusedByModel(error) || (error instanceof RequestError && error.kind === 'notFinite')) return false;
      if (error instanceof RequestError) throw new PerennialError('ArtifactRejected', error.message, { cause: error });
      throw error;
    }
  };
  if (await isFinite(plan.sample(1))) return;
  const made = feedsOf(plan, madeExample(plan.inputs, fields));
  if (made !== null && (await isFinite(made))) return;
  throw new PerennialError(
    'ArtifactRejected',
    'the model answers no finite numbers, neither to zeros nor to a request that is made of its inputs: put a request that it answers into the package, as input-example.json',
  );
}

/** What a request feeds the model; null where it has no form that a request could have. */
function feedsOf(plan: ServingPlan, request: unknown): NamedTensors | null {
  try {
    return plan.prepare(readInferRequest(request), { history: outcomeHistory(), nowMs: Date.now() }).feeds;
  } catch (error) {
    if (error instanceof RequestError) return null;
    throw error;
  }
}

/** A model may refuse zeros, as it may refuse any request. What it may not do is crash, hang, or eat memory. */
async function onZeros(trial: ModelTrial, zeros: NamedTensors): Promise<void> {
  try {
    await trial.run(zeros as TrialTensors, 1);
  } catch (error) {
    if (!refusedByModel(error)) throw error;
  }
}

export function repeated(feeds: NamedTensors, times: number): NamedTensors {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [name, concatenate(Array.from({ length: times }, () => tensor))]),
  );
}
