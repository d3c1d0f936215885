import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import { openLog, readLog } from '../../../tools/log-file.mjs';
import { endProcess } from '../../../tools/processes.mjs';
import type { ProcessRecord } from './process-record.js';

export type ProcessSpec = {
  readonly name: string;
  /** A JavaScript program. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly cwd: string;
  /** How long it may take to finish its work when it is stopped. */
  readonly graceMs: number;
};

export type Surroundings = { readonly record: ProcessRecord; readonly say: (line: string) => void };

const readyWithinMs = 90_000;
const lookMs = 40;
const firstWaitMs = 500;
const longestWaitMs = 30_000;
/** One that ran this long before it died is started again without a wait. */
const steadyMs = 60_000;

/**
 * One process of the stack: started, waited for, started again when it dies, stopped in order. It has a process group of
 * its own, so that the terminal's Ctrl-C reaches `up` alone, and its output goes to a file, so that it outlives a killed
 * `up` until the next one stops it.
 */
export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #around: Surroundings;
  #child: ChildProcess | undefined;
  #stopping = false;
  #waitMs = firstWaitMs;
  #startedAtMs = 0;

  constructor(spec: ProcessSpec, around: Surroundings) {
    this.#spec = spec;
    this.#around = around;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** Resolves when the process says that it is ready. `Unavailable` with its last words when it ends before. */
  async start(): Promise<void> {
    const { from, ended } = this.#spawn();
    const ready = await this.#untilReady(from, ended);
    if (ready !== null) {
      await this.stop();
      // It was free when it was chosen.
      const wayOut = /\btaken\b|EADDRINUSE/.test(ready) ? ' Another program took the port in between: start again.' : '';
      throw new PerennialError('Unavailable', `The ${this.name} did not start: ${ready}. See ${this.#spec.logFile}.${wayOut}`, {
        details: { process: this.name, log: this.#spec.logFile },
      });
    }
    void ended.then((how) => this.#died(how));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const pid = this.#child?.pid;
    if (pid !== undefined && this.#child?.exitCode === null && this.#child.signalCode === null) {
      await endProcess({ pid, graceMs: this.#spec.graceMs });
    }
    this.#around.record.ended(this.name);
  }

  /** Ends it at once, without its leave. */
  kill(): void {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
  }

  #spawn(): { from: number; ended: Promise<string> } {
    const { program, env, logFile, cwd } = this.#spec;
    const { descriptor, from } = openLog(logFile);
    const child = spawn(process.execPath, ['--enable-source-maps', program], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', descriptor, descriptor],
    });
    closeSync(descriptor);
    this.#child = child;
    this.#startedAtMs = performance.now();
    if (child.pid !== undefined) this.#around.record.started(this.name, child.pid);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`));
    });
    return { from, ended };
  }

  /** Null when it is ready, else why not. */
  async #untilReady(from: number, ended: Promise<string>): Promise<string | null> {
    let how: string | null = null;
    void ended.then((reason) => (how = reason));
    for (const end = performance.now() + readyWithinMs; performance.now() < end; await delay(lookMs)) {
      const log = readLog(this.#spec.logFile, from);
      if (/^\{"ready":/m.test(log)) return null;
      if (how !== null) return lastWords(log) ?? how;
      if (this.#stopping) return 'it was stopped';
    }
    return `it was not ready within ${readyWithinMs / 1000} s`;
  }

  async #died(how: string): Promise<void> {
    if (this.#stopping) return;
    const { say } = this.#around;
    if (performance.now() - this.#startedAtMs > steadyMs) this.#waitMs = firstWaitMs;
    const waitMs = this.#waitMs;
    this.#waitMs = Math.min(longestWaitMs, waitMs * 2);
    say(`! ${this.name}: ${how}; starting it again in ${waitMs / 1000} s (${this.#spec.logFile})`);
    await delay(waitMs);
    if (this.#stopping) return;
    const { from, ended } = this.#spawn();
    const trouble = await this.#untilReady(from, ended);
    if (this.#stopping) return;
    if (trouble === null) {
      say(`✓ ${this.name} runs again`);
      void ended.then((again) => this.#died(again));
    } else {
      if (this.#child?.exitCode === null) this.#child.kill('SIGKILL');
      await this.#died(trouble);
    }
  }
}

/** What a process said last before it ended: its own message rather than a stack or a figure. */
function lastWords(log: string): string | undefined {
  const lines = log.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line) && !line.startsWith('{'));
  return lines.findLast((line) => /error|cannot|refused|expected|not |taken/i.test(line)) ?? lines.at(-1);
}
