import type { ModelTrial, TrialTensors } from '../../../activities/trial-ports.js';
import type { ServingPlan } from '../../plans/serving-plan.js';
import type { ModelCost } from '../placement.js';
import { quietRun } from '../quiet-run.js';
import type { Tensor } from '../tensors.js';
import { agree, tellingRows } from './agreement.js';
import { compilableTrees, treeRunner } from './tree-runner.js';
import type { Compilable, TreeRunner } from './tree-runner.js';

const manyRows = 64;
const measuredRuns = 40;

/**
 * What a version costs as compiled trees; null when its model is no ensemble that can be compiled, or when the compiled
 * trees do not answer what ONNX Runtime answers in the trial: many rows at once, and one alone.
 */
export async function tryTrees(model: Uint8Array, { plan, trial }: { plan: ServingPlan; trial: ModelTrial }): Promise<ModelCost | null> {
  const startedMs = performance.now();
  let found: Compilable | null;
  let runner: TreeRunner;
  try {
    found = await compilableTrees(model, plan.sample(1));
    if (found === null) return null;
    runner = treeRunner(found);
  } catch {
    // Too large, no memory for it now, or written as our reader does not know it: ONNX Runtime, which has loaded it, takes it.
    return null;
  }
  const loadMs = performance.now() - startedMs;
  const { ensemble, width } = found;
  const rows = tellingRows(ensemble, width);
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

function quickest(runner: TreeRunner, input: string, rows: Tensor): number {
  const feeds = { [input]: rows };
  const runsMs = Array.from({ length: measuredRuns }, () => {
    const startedMs = performance.now();
    runner.runNow(feeds);
    return performance.now() - startedMs;
  });
  return quietRun(runsMs);
}
