import { join } from 'node:path';
import type { CaptureFiles, CaptureStore } from '../../activities/ports.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import { CaptureBuffer } from './capture-buffer.js';
import { captureFigures } from './capture-figures.js';
import { CaptureSpool } from './capture-spool.js';
import type { GatewayMetrics } from './metrics.js';
import { Redactors } from './redactors.js';
import { RequestCaptures } from './request-captures.js';
import { spoolFigures } from './spool-figures.js';

export type CapturingDeps = {
  readonly store: CaptureStore;
  /** Undefined where requests are not captured as they were. */
  readonly files: CaptureFiles | undefined;
  /** Undefined where no model asks for redacted captures, or such are to be refused. */
  readonly redactionSecret: string | undefined;
  readonly config: GatewayConfig;
  readonly metrics: GatewayMetrics;
  readonly log: Log;
};

/** Everything that is kept of predictions: a row each, and files of requests as they were. */
export type Capturing = {
  readonly captures: CaptureBuffer;
  readonly bodies: RequestCaptures;
  readonly redactors: Redactors;
  start(): void;
  /** Resolves when all that was captured so far is stored; `Unavailable` when that takes too long. */
  flush(): Promise<void>;
  /** Stores what is left as far as it can, and tells what could not be. */
  close(): Promise<void>;
};

/** Opens it, and tells its figures. */
export function openCapturing({ store, files, redactionSecret, config, metrics, log }: CapturingDeps): Capturing {
  const limitMs = config.drainLimitMs;
  const captures = new CaptureBuffer(store, {
    everyMs: config.captureEveryMs,
    batchRows: config.captureBatchRows,
    maxRows: config.maxCaptures,
    busyAfterMs: config.captureBusyAfterMs,
  });
  metrics.sample(...captureFigures(captures));
  const redactors = new Redactors(redactionSecret ?? null);
  const folder = config.captureFolder ?? join(config.folder, 'capture-files');
  const spool = files === undefined ? null : new CaptureSpool({ folder, files, config, log });
  const bodies = new RequestCaptures(spool, redactors);
  if (spool !== null) metrics.sample(...spoolFigures(spool, bodies));
  return {
    captures,
    bodies,
    redactors,
    start: () => spool?.start(),
    async flush() {
      await Promise.all([captures.flush(limitMs), spool?.flush(limitMs)]);
    },
    async close() {
      const lost = (error: unknown): void =>
        log({ level: 'error', event: 'capturesLost', count: captures.waiting, reason: reasonOf(error) });
      const left = (error: unknown): void =>
        log({ level: 'error', event: 'captureFilesLeft', reason: `${reasonOf(error)}; the next gateway here puts them in their place` });
      await captures.flush(limitMs).catch(lost);
      captures.close();
      await spool?.flush(limitMs).catch(left);
      await spool?.close();
    },
  };
}
