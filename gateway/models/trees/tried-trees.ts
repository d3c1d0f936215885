import type { ModelTrial, TrialTensors } from '../../../activities/trial-ports.js';
import type { ServingPlan } from '../../plans/serving-plan.js';
import type { ModelCost } from '../placement.js';
import type { Tensor } from '../tensors.js';
import { agree, tellingRows } from './agreement.js';
import { compilableTrees, treeRunner } from './tree-runner.js';
import type { TreeRunner } from './tree-runner.js';

const manyRows = 64;
const measuredRuns = 40;

/**
 * What a version costs as compiled trees; null when its model is no ensemble that can be compiled, or when the compiled
 * trees do not answer what ONNX Runtime answers in the trial: many rows at once, and one alone.
 */
export async function tryTrees(model: Uint8Array, { plan, trial }: { plan: ServingPlan; trial: ModelTrial }): Promise<ModelCost | null> {
  const startedMs = performance.now();
  const found = await compilableTrees(model, plan.sample(1));
  if (found === null) return null;
  const { ensemble, width } = found;
  const rows = tellingRows(ensemble, width);
  let runner: TreeRunner;
  try {
    runner = treeRunner(found);
  } catch {
    // Too large, or no memory for it now: ONNX Runtime takes it.
    return null;
  }
  const loadMs = performance.now() - startedMs;
  for (const data of [rows, rows.subarray(0, width)]) {
    const feeds = { [ensemble.input]: matrix(data, width) };
    const { outputs } = await trial.run(feeds as TrialTensors, 1);
    const answered = runner.runNow(feeds)[ensemble.output]!.data as Float32Array;
    if (!agree(ensemble, answered, outputs[ensemble.output]?.data as Float32Array)) return null;
  }
  const runMs = quickest(runner, ensemble.input, matrix(rows.subarray(0, width), width));
  const manyMs = quickest(runner, ensemble.input, matrix(rows.subarray(0, manyRows * width), width));
  const rowMs = Math.max(0, (manyMs - runMs) / (manyRows - 1));
  return { loadMs, runMs, rowMs, bestRows: Infinity, bytes: runner.bytes, peakBytes: runner.bytes };
}

function matrix(data: Float32Array, width: number): Tensor {
  return { type: 'float32', dims: [data.length / width, width], data };
}

/** The lower quartile: what a run takes when nothing else wants the core. */
function quickest(runner: TreeRunner, input: string, rows: Tensor): number {
  const feeds = { [input]: rows };
  const runsMs = Array.from({ length: measuredRuns }, () => {
    const startedMs = performance.now();
    runner.runNow(feeds);
    return performance.now() - startedMs;
  });
  return runsMs.toSorted((a, b) => a - b)[Math.floor(measuredRuns / 4)]!;
}
