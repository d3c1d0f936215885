import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadInPlace } from '../../gateway/models/in-place-runner.js';
import type { Runner } from '../../gateway/models/runner.js';
import { threadProgram } from '../../gateway/thread-program.js';
import { loadInThreads } from '../../gateway/models/thread-pool.js';
import { held } from './support/held.js';
import { linearModel } from './support/onnx-builder.js';

const mebibyte = 1024 * 1024;
const ballast = 4 * mebibyte;
const row = { features: { type: 'float32' as const, dims: [1, 2], data: Float32Array.of(1, 2) } };

/** How much the process grew over `cycles` loads and releases, after as many to settle. */
async function growth(open: () => Promise<Runner>, cycles: number): Promise<number> {
  const cycle = async (): Promise<void> => {
    const runner = await open();
    expect((await runner.run(row)).prediction!.data).toEqual(Float32Array.of(28));
    await runner.release();
  };
  for (let i = 0; i < cycles; i++) await cycle();
  const before = (await held()).rss;
  for (let i = 0; i < cycles; i++) await cycle();
  return (await held()).rss - before;
}

describe('models that come and go', () => {
  const model = linearModel(7, ballast);

  it('leave nothing behind in place: 200 times 4 MiB', async () => {
    expect(await growth(() => loadInPlace(model), 200)).toBeLessThan(40 * mebibyte);
  });

  it('leave nothing behind in threads, and no thread', async () => {
    const program = await threadProgram('./models/inference-thread', null);
    const input = { read: () => Promise.resolve(new Uint8Array(model)), program, limitMs: 60_000, runLimitMs: 60_000 };
    const threads = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);
    const grown = await growth(() => loadInThreads(input, 2), 20);
    expect(grown).toBeLessThan(40 * mebibyte);
    const before = threads();
    await growth(() => loadInThreads(input, 2), 3);
    expect(threads()).toBeLessThanOrEqual(before + 1);
  });

  it.runIf(process.platform === 'linux')('have their threads step back behind the one that serves', async () => {
    const program = await threadProgram('./models/inference-thread', null);
    const runner = await loadInThreads(
      { read: () => Promise.resolve(new Uint8Array(model)), program, limitMs: 60_000, runLimitMs: 60_000 },
      2,
    );
    const niceness = readdirSync('/proc/self/task').map((task) => {
      // After the name in brackets; the 19th field of all.
      const fields = readFileSync(`/proc/self/task/${task}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
      return { task: Number(task), nice: Number(fields[16]) };
    });
    expect(niceness.filter(({ nice }) => nice === 10)).toHaveLength(2);
    expect(niceness.find(({ task }) => task === process.pid)).toMatchObject({ nice: 0 });
    await runner.release();
  });

  it('share the work of a version between its threads', async () => {
    const program = await threadProgram('./models/inference-thread', null);
    const slow = readFileSync(new URL('fixtures/slow.onnx', import.meta.url));
    const runner = await loadInThreads(
      { read: () => Promise.resolve(new Uint8Array(slow)), program, limitMs: 60_000, runLimitMs: 60_000 },
      3,
    );
    expect(runner.lanes).toBe(3);
    const answers = await Promise.all(
      Array.from({ length: 9 }, (_, i) => runner.run({ features: { ...row.features, data: Float32Array.of(i, 0) } })),
    );
    answers.forEach(({ prediction }, i) => expect(prediction!.data).toEqual(Float32Array.of(3000 + i)));
    await runner.release();
    await expect(runner.run(row)).rejects.toThrow('taken out of service');
  });
});
