import { execFile, fork } from 'node:child_process';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { PerennialError } from '../../domain/errors.js';
import { residentBytesOf } from './resident-bytes.js';
import type { TrialAnswer, TrialCall } from './trial-messages.js';

/** A process for trials that holds no model yet. After a crash, or a limit that was broken, it is gone. */
export type TrialProcess = {
  readonly ended: boolean;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
  /**
   * Bounds what may be asked until the next `limit`. Drivers of devices reserve addresses far beyond what they use: with
   * `onDevice` the resident size alone is bounded.
   */
  limit(limits: { readonly memoryBytes: number; readonly limitMs: number; readonly onDevice: boolean }): Promise<void>;
  /**
   * Rejects with `ArtifactRejected` when the file crashes the process or breaks a limit, or, with `refusedBy: 'model'` among
   * its details, when ONNX Runtime refuses what was asked of it.
   */
  call(call: TrialCall, doing: string): Promise<TrialAnswer>;
  end(): void;
};

type Waiting = { resolve(answer: TrialAnswer): void; reject(reason: Error): void };

const startLimitMs = 30_000;
const watchEveryMs = 20;
const mebibyte = 1024 * 1024;
const keptStderr = 2_000;
const run = promisify(execFile);

/** What the system's allocator is told, so that freed memory goes back at once and the next model's size is measured right. */
const allocator = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '131072' };

/** `variables` is all that it gets of this process's environment. */
export type TrialProcessOptions = { readonly prlimit: string; readonly variables: Readonly<Record<string, string>> };

/** Starts one. `Unavailable` when it does not come up: that says nothing of any model. */
export async function startTrialProcess(program: string, { prlimit, variables }: TrialProcessOptions): Promise<TrialProcess> {
  const child = fork(program, [import.meta.url], {
    // Nothing of this process's secrets, and no inspector or loader of its own.
    env: { ...variables, ...allocator },
    execArgv: ['--expose-gc'],
    cwd: tmpdir(),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let waiting: Waiting | null = null;
  let last: Extract<TrialAnswer, { kind: 'empty' }> | null = null;
  let limits = { memoryBytes: Infinity, limitMs: startLimitMs, onDevice: false };
  let ended: Error | null = null;
  let stderr = '';

  const settle = (answer: TrialAnswer | Error): void => {
    const call = waiting;
    waiting = null;
    hold(false);
    if (call === null) return;
    if (answer instanceof Error) call.reject(answer);
    else call.resolve(answer);
  };
  const end = (reason: Error): void => {
    if (ended !== null) return;
    ended = reason;
    child.kill('SIGKILL');
    settle(reason);
  };
  /** Only a call under way keeps this process alive. */
  function hold(busy: boolean): void {
    for (const part of [child, child.channel, child.stderr as { ref?(): void; unref?(): void } | null]) {
      if (busy) part?.ref?.();
      else part?.unref?.();
    }
  }
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-keptStderr)));
  child.on('message', (answer: TrialAnswer) => {
    if (answer.kind === 'empty') last = answer;
    settle(answer);
  });
  child.on('error', (cause) => end(new PerennialError('Unavailable', `the trial process did not start: ${cause.message}`, { cause })));
  // After `exit` the last lines of stderr may still be on their way.
  child.on('close', (code, signal) => {
    const line = stderr.trim().split('\n').at(-1) ?? '';
    end(
      rejected(`it crashed the process it was tried in (${signal ?? `exit code ${code}`}${line === '' ? '' : `: ${line.slice(0, 300)}`})`),
    );
  });

  const next = (limitMs: number, overdue: () => Error): Promise<TrialAnswer> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => end(overdue()), limitMs);
      const watch = setInterval(() => void look(), watchEveryMs);
      const look = async (): Promise<void> => {
        const bytes = await residentBytesOf(child.pid!);
        if (waiting === own && bytes !== null && bytes - (last?.residentBytes ?? 0) > limits.memoryBytes) end(tooMuch(limits.memoryBytes));
      };
      const done = (): void => {
        clearTimeout(timer);
        clearInterval(watch);
      };
      const own: Waiting = {
        resolve(answer) {
          done();
          resolve(answer);
        },
        reject(reason) {
          done();
          reject(reason);
        },
      };
      waiting = own;
      hold(true);
    });

  await next(startLimitMs, () => new PerennialError('Unavailable', `the trial process did not start within ${startLimitMs} ms`)).catch(
    (cause: Error) => {
      throw new PerennialError('Unavailable', `no process to try models in: ${cause.message}`, { cause });
    },
  );
  return {
    get ended() {
      return ended !== null;
    },
    get stderr() {
      return stderr;
    },
    async limit(wanted) {
      limits = wanted;
      await limitAddressSpace(prlimit, { pid: child.pid!, ...wanted, ...last! });
    },
    async call(call, doing) {
      if (ended !== null) throw ended;
      const answer = next(limits.limitMs, () => rejected(`${doing} took longer than ${limits.limitMs} ms`));
      child.send(call);
      const found = await answer;
      if (found.kind !== 'failed') return found;
      if (!/bad_alloc|bad allocation|failed to allocate|out of memory/i.test(found.reason))
        throw rejected(found.reason, { refusedBy: 'model' });
      end(limits.onDevice ? rejected(`the device ran out of memory: ${found.reason}`) : tooMuch(limits.memoryBytes, found.reason));
      throw ended!;
    },
    end: () => end(new Error('the trial process was ended')),
  };
}

/**
 * Has the kernel refuse what goes past the limits (address space, CPU time, no core files). Where there is no `prlimit`,
 * the watch of the resident size and the clock remain.
 */
async function limitAddressSpace(
  prlimit: string,
  of: { pid: number; memoryBytes: number; limitMs: number; onDevice: boolean; virtualBytes: number | null; cpuSeconds: number },
): Promise<void> {
  if (of.virtualBytes === null || !Number.isFinite(of.memoryBytes)) return;
  // Soft limits: the next model may get others. A process that its parent lost while it computes ends by its CPU time.
  const cpuSeconds = Math.ceil(of.cpuSeconds + (4 * of.limitMs) / 1000) + 1;
  const addresses = of.onDevice ? [] : [`--as=${Math.ceil(of.virtualBytes + of.memoryBytes)}:`];
  const limits = [...addresses, `--cpu=${cpuSeconds}:`, '--core=0:'];
  await run(prlimit, [`--pid=${of.pid}`, ...limits]).catch(() => undefined);
}

function tooMuch(memoryBytes: number, said = ''): PerennialError {
  return rejected(`it needs more than ${Math.round(memoryBytes / mebibyte)} MiB of memory${said === '' ? '' : ` (${said})`}`);
}

function rejected(reason: string, details: Record<string, unknown> = {}): PerennialError {
  return new PerennialError('ArtifactRejected', reason, { details });
}
