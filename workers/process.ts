import { PerennialError } from '../domain/errors.js';
import { type Config, type Environment, readConfig } from './config.js';

export type Stoppable = { run(): Promise<void>; stop(): void };

/** A process entry point of the platform: see `runConfigured`. */
export function runProcess(name: string, open: (config: Config) => Promise<Stoppable>): Promise<void> {
  return runConfigured(name, readConfig, open);
}

/**
 * A process entry point: reads the configuration, opens its part, runs until SIGTERM or SIGINT, and lets go in order.
 * An expected failure is one line on stderr and exit code 1.
 */
export async function runConfigured<C>(
  name: string,
  read: (env: Environment) => C,
  open: (config: C) => Promise<Stoppable>,
): Promise<void> {
  try {
    const part = await open(read(process.env));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => part.stop());
    await part.run();
    process.exit(0);
  } catch (error) {
    const message =
      error instanceof PerennialError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${name}: ${message}\n`);
    process.exit(1);
  }
}

/** For a part that runs until it is stopped: `stopping` resolves when `stop` is called. */
export function untilStopped(): { readonly stopping: Promise<void>; stop(): void } {
  let stop: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => {
    stop = resolve;
  });
  return { stopping, stop };
}

/** One JSON line that the starter of the process waits for. */
export function sayReady(part: string, details: Record<string, unknown> = {}): void {
  process.stdout.write(`${JSON.stringify({ ready: part, pid: process.pid, ...details })}\n`);
}
