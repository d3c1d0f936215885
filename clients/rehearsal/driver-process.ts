import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PerennialError } from '../../domain/errors.js';
import type { DriverOrder, DriverReport } from './driver-messages.js';

export type DriverEnd = Extract<DriverReport, { kind: 'ended' }>;
export type RunningDriver = {
  /** How it ended; rejects when it failed. */
  readonly ended: Promise<DriverEnd>;
  /** Asks it to end after the hour at hand. */
  stop(): void;
};

/** Starts the driver as a process of its own. It ends with this one, in whatever way that ends. */
export function startDriver(
  { program, order }: { program: string; order: DriverOrder },
  onReport: (report: DriverReport) => void,
): RunningDriver {
  // A group of its own: the terminal's Ctrl-C is for the one who started it.
  const child = spawn(process.execPath, ['--enable-source-maps', program], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  child.stdin.on('error', () => undefined);
  child.stdin.write(`${JSON.stringify(order)}\n`);
  let end: DriverEnd | undefined;
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-2_000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = JSON.parse(line) as DriverReport;
    if (report.kind === 'ended') end = report;
    onReport(report);
  });
  const ended = new Promise<DriverEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (end !== undefined) resolve(end);
      else
        reject(
          new PerennialError(
            'Unavailable',
            `The driver of the rehearsal ended with code ${code}: ${words.trim() || 'without a word'}. Start again: it goes on where it was.`,
          ),
        );
    });
  });
  ended.catch(() => undefined);
  return { ended, stop: () => child.stdin.end() };
}
