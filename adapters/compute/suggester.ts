import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Suggester } from '../../activities/training-ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { HyperparameterValue } from '../../domain/model-definition.js';

export type SuggesterOptions = {
  readonly python: string;
  readonly trainersFolder: string;
  /** A suggestion that takes longer means that the process hangs; it is replaced. */
  readonly limitMs?: number;
};

type Answer = { readonly id: number; readonly params?: Record<string, HyperparameterValue>; readonly error?: string };
type Waiting = { resolve(answer: Answer): void; reject(error: Error): void };

/**
 * Optuna in one Python process that stays (importing it takes longer than suggesting), one JSON line a request. A dead
 * process is replaced, and the request asked once more: suggesting is pure. Ends with this process, or by `close`.
 */
export function createSuggester(options: SuggesterOptions): Suggester & { close(): Promise<void> } {
  const waiting = new Map<number, Waiting>();
  let child: ChildProcessWithoutNullStreams | null = null;
  let asked = 0;

  function running(): ChildProcessWithoutNullStreams {
    if (child !== null) return child;
    const begun = spawn(options.python, ['-I', join(options.trainersFolder, 'common', 'suggest.py')], {
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8', OMP_NUM_THREADS: '1' },
      stdio: 'pipe',
    });
    child = begun;
    let errors = '';
    begun.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2_000)));
    // A write to a process that just died; its end is reported below.
    begun.stdin.on('error', () => {});
    createInterface({ input: begun.stdout }).on('line', (line) => {
      const answer = JSON.parse(line) as Answer;
      waiting.get(answer.id)?.resolve(answer);
      waiting.delete(answer.id);
    });
    const gone = (why: string) => {
      if (child !== begun) return;
      child = null;
      const lost = [...waiting.values()];
      waiting.clear();
      for (const { reject } of lost) reject(new PerennialError('Unavailable', `${options.python} suggest.py ${why}\n${errors.trim()}`));
    };
    begun.once('error', (error) => gone(`could not be started: ${error.message}; set up the Python environment again`));
    begun.once('close', (code, signal) => gone(`ended with ${signal ?? `code ${code}`}`));
    return begun;
  }

  async function ask(request: Record<string, unknown>): Promise<Answer> {
    const id = ++asked;
    const to = running();
    const limit = setTimeout(() => to.kill('SIGKILL'), options.limitMs ?? 45_000);
    try {
      return await new Promise<Answer>((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        to.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
      });
    } finally {
      clearTimeout(limit);
    }
  }

  return {
    async suggest({ tuning, seed, trials, number, direction }) {
      const request = { sampler: tuning.sampler, space: tuning.space, budget: tuning.trials, seed, trials, number, direction };
      const answer = await ask(request).catch(() => ask(request));
      if (answer.params === undefined) {
        throw new PerennialError('TrainerFailed', `trial ${number} cannot be suggested: ${answer.error}; look at the search space`, {
          details: { space: tuning.space },
        });
      }
      return answer.params;
    },
    async close() {
      const ending = child;
      if (ending === null) return;
      const closed = new Promise((resolve) => ending.once('close', resolve));
      ending.stdin.end();
      const limit = setTimeout(() => ending.kill('SIGKILL'), 5_000);
      await closed;
      clearTimeout(limit);
    },
  };
}
