import { parseArgs } from 'node:util';
import { measureEmptySteps } from './lifecycle/empty-steps.js';
import { measureMany } from './lifecycle/many.js';
import { type BenchPart, runPart } from './lifecycle/parts.js';
import { measureRetrain } from './lifecycle/retrain.js';
import { BenchStack } from './lifecycle/stack.js';
import { type Figure, machine, report, tableOf } from './report.js';

// `npm run bench:lifecycle [-- --json] [--only steps|retrain|many]`: what the platform adds to the work itself. `--small`
// proves that the benchmark runs; its figures say nothing.
const { values: options } = parseArgs({
  options: { json: { type: 'boolean' }, small: { type: 'boolean' }, only: { type: 'string' }, part: { type: 'string' } },
});

const sizes = options.small
  ? { steps: { runs: 3 }, retrain: { shape: { rows: 5_000, features: 30 }, pairs: 1 }, many: { models: 5 } }
  : { steps: { runs: 21 }, retrain: { shape: { rows: 200_000, features: 30 }, pairs: 3 }, many: { models: 100 } };

if (options.part === 'empty' || options.part === 'compute') await runPart(options.part satisfies BenchPart);
else await measure();

async function measure(): Promise<void> {
  const stack = await BenchStack.open();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stack.close().finally(() => process.exit(130)));
  const figures: Figure[] = [];
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const wanted = (part: string) => options.only === undefined || options.only === part;
  try {
    if (wanted('steps')) {
      say('Ten empty steps…');
      figures.push(...(await measureEmptySteps(stack, sizes.steps)));
    }
    if (wanted('retrain') || wanted('many')) await Promise.all([stack.start('lifecycle'), stack.start('gateway')]);
    if (wanted('retrain')) {
      say('A whole retrain against the same training by a script…');
      figures.push(...(await measureRetrain(stack, sizes.retrain)));
    }
    if (wanted('many')) {
      say(`${sizes.many.models} lifecycles at once, training shared…`);
      figures.push(...(await measureMany(stack, sizes.many)));
    }
  } finally {
    await stack.close();
  }
  const made = report('lifecycle', figures);
  console.log(`${machine()}\n`);
  for (const line of tableOf(made)) console.log(line);
  if (options.json) console.log(JSON.stringify(made));
}
