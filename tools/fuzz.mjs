import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './places.mjs';

// `npm run fuzz -- --seconds 60 --seed 7`: the gateway's fuzzers for longer than in the tests, from a seed that a failure
// names and this command repeats.
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
if (!(seconds > 0) || !Number.isInteger(seed) || seed < 0) {
  process.stderr.write('npm run fuzz -- --seconds <above 0> --seed <whole number>\n');
  process.exit(2);
}
process.stdout.write(`fuzzing for ${seconds} s each, seed ${seed}\n`);
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(process.execPath, [vitest, 'run', 'test/gateway/fuzz'], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, FUZZ_SECONDS: String(seconds), FUZZ_SEED: String(seed) },
});
process.on('SIGINT', () => {});
child.on('close', (code) => process.exit(code ?? 1));
