import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Figure, median } from '../report.js';
import { emptyQueue } from './parts.js';
import type { BenchStack } from './stack.js';

/**
 * Twice what ten activities (175 ms) and ten local ones (50 ms) took when the dev server's settings were chosen; with the
 * settings that it comes with, ten activities take 1,050 ms.
 */
const limitMs = { emptySteps: 350, emptyLocalSteps: 100 } as const;
const warmUps = 3;

/** Milliseconds of wall time of ten empty steps in a row, from the client's start to its answer. */
export async function measureEmptySteps(stack: BenchStack, { runs }: { runs: number }): Promise<Figure[]> {
  const bundle = join(stack.home, 'empty-steps.js');
  const { root } = stack.places;
  const entry = join(root, 'bench', 'lifecycle', 'empty-steps.workflow.ts');
  const made = spawnSync(process.execPath, [join(root, 'tools', 'bundle-workflows.mjs'), entry, bundle], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`the workflows of the benchmark cannot be bundled:\n${made.stderr}`);
  await stack.start('empty', { PERENNIAL_WORKFLOW_BUNDLE: bundle });
  try {
    const activities = await timed(stack, 'emptySteps', runs);
    const local = await timed(stack, 'emptyLocalSteps', runs);
    return [
      { name: 'ten empty steps, activities (median)', value: median(activities), unit: 'ms', limit: limitMs.emptySteps },
      { name: 'ten empty steps, local activities (median)', value: median(local), unit: 'ms', limit: limitMs.emptyLocalSteps },
      { name: 'ten empty steps, activities (fastest)', value: Math.min(...activities), unit: 'ms' },
      { name: 'ten empty steps, local activities (fastest)', value: Math.min(...local), unit: 'ms' },
    ];
  } finally {
    await stack.stop('empty');
  }
}

async function timed(stack: BenchStack, workflow: keyof typeof limitMs, runs: number): Promise<number[]> {
  const times: number[] = [];
  for (let run = -warmUps; run < runs; run++) {
    const began = performance.now();
    await stack.client.workflow.execute(workflow, { taskQueue: emptyQueue, workflowId: `${workflow}:${run}` });
    if (run >= 0) times.push(performance.now() - began);
  }
  return times;
}
