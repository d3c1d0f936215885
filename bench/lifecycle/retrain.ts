import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endedChildrenCpuSeconds } from '../cpu-seconds.js';
import { type Figure, median } from '../report.js';
import { publish, runModel } from './run-model.js';
import type { BenchStack } from './stack.js';
import { asOfMs, benchModel, featureNames, type TableShape, writeTable } from './table.js';

type Measured = { readonly seconds: number; readonly cpuSeconds: number | null; readonly wape: number };
type Platform = Measured & { readonly steps: ReadonlyMap<string, number> };

/** What both train: the same rows, parameters, seed and threads. */
const hyperparameters = { objective: 'regression', num_leaves: 31, learning_rate: 0.05, n_estimators: 500, min_child_samples: 20 };
const allowedShare = 0.1;
const allowedSeconds = 3;
const restMs = 10_000;

/**
 * A whole `retrain` (data, training, evaluation, gates, package, signature, registration, approval by policy, promotion on the
 * gateway) against one script that reads the same table, fits, exports and evaluates. They take turns; each pair has a model
 * of its own, so that every run is a first version and goes all the way.
 */
export async function measureRetrain(stack: BenchStack, { shape, pairs }: { shape: TableShape; pairs: number }): Promise<Figure[]> {
  await writeTable(shape, join(stack.home, 'data', 'wide.parquet'));
  const names = Array.from({ length: pairs }, (_, i) => `wide-${i + 1}`);
  const model = { shape, file: 'wide.parquet', hyperparameters, maxWape: 0.1 };
  await publish(
    stack,
    names.map((name) => benchModel({ ...model, name })),
  );
  await stack.start('cpu');
  const rest = await cpuAtRest(stack);
  const plain: Measured[] = [];
  const platform: Platform[] = [];
  try {
    for (const name of names) {
      plain.push(await plainTraining(stack, shape, name));
      platform.push(await retrain(stack, { shape, name, rest }));
      requireSameModel(plain.at(-1)!, platform.at(-1)!);
      say(plain.at(-1)!, platform.at(-1)!);
    }
  } finally {
    await stack.stop('cpu');
  }
  return [...figures(shape, plain, platform), { name: 'the stack at rest, CPU', value: rest * 60, unit: 's a minute' }];
}

async function plainTraining(stack: BenchStack, shape: TableShape, name: string): Promise<Measured> {
  const folder = join(stack.home, `plain-${name}`);
  mkdirSync(folder);
  const { n_estimators: rounds, ...rest } = hyperparameters;
  // The trainer's own settings too: they cost time, and without them the models would differ.
  const threads = availableParallelism();
  const params = { ...rest, deterministic: true, force_row_wise: true, num_threads: threads, seed: 7, data_random_seed: 7, verbosity: -1 };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify({ features: featureNames(shape), params, rounds }));
  const before = endedChildrenCpuSeconds();
  const began = performance.now();
  const script = join(stack.places.root, 'bench', 'lifecycle', 'plain_training.py');
  const child = spawn(stack.places.python, [script, join(stack.home, 'data', 'wide.parquet'), join(folder, 'settings.json'), folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // As the platform's trainer waits: on a busy machine, threads that spin made the script take up to five times as long.
    env: { ...process.env, OMP_WAIT_POLICY: 'PASSIVE' },
  });
  // The priority that trainers get, which leave the cores to the gateway: what others do here is to slow both alike.
  if (child.pid !== undefined) setPriority(child.pid, 5);
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`plain_training.py ended with ${code}`);
  const seconds = (performance.now() - began) / 1_000;
  const after = endedChildrenCpuSeconds();
  const { wape } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as { wape: number };
  return { seconds, cpuSeconds: after === null || before === null ? null : after - before, wape };
}

/** CPU seconds a second of a stack that has nothing to do: polls, leases, timers. They are no run's. */
async function cpuAtRest(stack: BenchStack): Promise<number> {
  // What was just started still settles.
  await delay(restMs);
  const before = stack.cpuSeconds();
  await delay(restMs);
  const after = stack.cpuSeconds();
  return after === null || before === null ? 0 : (after - before) / (restMs / 1_000);
}

type Retrain = { readonly shape: TableShape; readonly name: string; readonly rest: number };

async function retrain(stack: BenchStack, { shape, name, rest }: Retrain): Promise<Platform> {
  const before = stack.cpuSeconds();
  const { result, seconds } = await runModel(stack, name, asOfMs(shape));
  const after = stack.cpuSeconds();
  if (result.outcome !== 'promoted') throw new Error(`${name} ended as ${result.outcome}: ${result.reason}`);
  const steps = new Map(result.steps.map(({ step, startedAtMs, endedAtMs = startedAtMs }) => [step, (endedAtMs - startedAtMs) / 1_000]));
  const wape = result.metrics.find((metric) => metric.name === 'wape')?.value ?? NaN;
  return { seconds, cpuSeconds: after === null || before === null ? null : after - before - rest * seconds, wape, steps };
}

/** Otherwise the two did not do the same work, and their times say nothing. */
function requireSameModel(plain: Measured, platform: Measured): void {
  if (!(Math.abs(plain.wape - platform.wape) <= 1e-5)) {
    throw new Error(`the two models differ: WAPE ${plain.wape} by the script, ${platform.wape} by the platform`);
  }
}

function say(plain: Measured, platform: Platform): void {
  const took = ({ seconds, cpuSeconds }: Measured) => `${seconds.toFixed(2)} s (CPU ${cpuSeconds?.toFixed(2) ?? 'not counted'} s)`;
  const steps = [...platform.steps].filter(([, seconds]) => seconds >= 0.005).map(([step, seconds]) => `${step} ${seconds.toFixed(2)}`);
  process.stderr.write(`  script ${took(plain)}, retrain ${took(platform)}: ${steps.join(', ')}\n`);
}

function figures({ rows, features }: TableShape, plain: readonly Measured[], platform: readonly Platform[]): Figure[] {
  const middle = (values: readonly Measured[], of: 'seconds' | 'cpuSeconds') => median(values.flatMap((value) => value[of] ?? []));
  const size = `${rows.toLocaleString('en-US')} x ${features}`;
  const wall = { plain: middle(plain, 'seconds'), platform: middle(platform, 'seconds') };
  const cpu = { plain: middle(plain, 'cpuSeconds'), platform: middle(platform, 'cpuSeconds') };
  const most = (seconds: number) => seconds * (1 + allowedShare) + allowedSeconds;
  const counted = Number.isFinite(cpu.plain) && Number.isFinite(cpu.platform);
  return [
    { name: `script, ${size}, wall (median of ${plain.length})`, value: wall.plain, unit: 's' },
    { name: `retrain, ${size}, wall (median of ${plain.length})`, value: wall.platform, unit: 's', limit: most(wall.plain) },
    { name: `retrain, ${size}, wall added`, value: wall.platform - wall.plain, unit: 's' },
    ...(counted
      ? [
          { name: `script, ${size}, CPU (median of ${plain.length})`, value: cpu.plain, unit: 's' },
          {
            name: `retrain, ${size}, CPU of all processes above rest (median of ${plain.length})`,
            value: cpu.platform,
            unit: 's',
            limit: most(cpu.plain),
          },
          { name: `retrain, ${size}, CPU added`, value: cpu.platform - cpu.plain, unit: 's' },
        ]
      : []),
  ];
}
