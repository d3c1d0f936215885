import { join } from 'node:path';
import { type Figure, median } from '../report.js';
import { publish, runModel, type TimedRun } from './run-model.js';
import type { BenchStack } from './stack.js';
import { asOfMs, benchModel, type TableShape, writeTable } from './table.js';

const shape: TableShape = { rows: 2_000, features: 5 };
const hyperparameters = { objective: 'regression', num_leaves: 15, learning_rate: 0.1, n_estimators: 80 };
const file = 'tiny.parquet';
/** Every fifth model has a gate that nothing passes. */
const isRefused = (index: number) => index % 5 === 4;

/**
 * So many models at once, each with its `modelLifecycle` and one `retrain` to its end, all steps real (data, evaluation,
 * package, signature, registry, approval by policy, rollout, a gateway that loads it) but the training: they share the model of
 * one run before them.
 */
export async function measureMany(stack: BenchStack, { models }: { models: number }): Promise<Figure[]> {
  await writeTable(shape, join(stack.home, 'data', file));
  const one = { shape, file, hyperparameters };
  const names = Array.from({ length: models }, (_, i) => `many-${i + 1}`);
  await publish(stack, [
    benchModel({ ...one, name: 'first', maxWape: 0.1 }),
    ...names.map((name, i) => benchModel({ ...one, name, maxWape: isRefused(i) ? 0 : 0.1 })),
  ]);
  await stack.start('compute');
  try {
    const first = await runModel(stack, 'first', asOfMs(shape));
    const cpuBefore = stack.cpuSeconds();
    const began = performance.now();
    const runs = await Promise.all(names.map((name) => attempted(runModel(stack, name, asOfMs(shape)))));
    const seconds = (performance.now() - began) / 1_000;
    const cpuAfter = stack.cpuSeconds();
    const ends = runs.flatMap((run) => ('result' in run ? [run] : []));
    const failed = runs.filter((run) => !('result' in run) || run.result.outcome === 'failed');
    for (const run of failed) process.stderr.write(`  ${'result' in run ? run.result.reason : run.failure}\n`);
    const unexpected = runs.filter((run, i) => !('result' in run) || run.result.outcome !== (isRefused(i) ? 'gateRefused' : 'promoted'));
    const all = `${models} lifecycles at once`;
    return [
      { name: `${all}: wall`, value: seconds, unit: 's' },
      { name: `${all}: wall a run`, value: seconds / models, unit: 's' },
      ...(cpuBefore === null || cpuAfter === null
        ? []
        : [{ name: `${all}: CPU a run, all processes`, value: (cpuAfter - cpuBefore) / models, unit: 's' }]),
      { name: `${all}: a run from request to end (median)`, value: median(ends.map((run) => run.seconds)), unit: 's' },
      { name: 'the first lifecycle, alone and trained', value: first.seconds, unit: 's' },
      { name: `${all}: promoted`, value: count(ends, 'promoted'), unit: 'runs' },
      { name: `${all}: refused by their gate`, value: count(ends, 'gateRefused'), unit: 'runs' },
      { name: `${all}: failed`, value: failed.length, unit: 'runs', limit: 0 },
      { name: `${all}: ended otherwise than expected`, value: unexpected.length, unit: 'runs', limit: 0 },
    ];
  } finally {
    await stack.stop('compute');
  }
}

const count = (runs: readonly TimedRun[], outcome: string) => runs.filter(({ result }) => result.outcome === outcome).length;

async function attempted(run: Promise<TimedRun>): Promise<TimedRun | { readonly failure: string }> {
  try {
    return await run;
  } catch (error) {
    if (!(error instanceof Error)) return { failure: String(error) };
    return { failure: error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message };
  }
}
