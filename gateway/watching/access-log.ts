import type { Log } from '../log.js';

/** A request that is worth a line of the log. */
export type LoggedRequest = {
  readonly protocol: 'http' | 'grpc';
  readonly method: string;
  readonly path: string;
  readonly status: number | string;
  readonly ms: number;
  /** Of the caller's trace or of one that began here. */
  readonly traceId: string | null;
};

const linesPerSecond = 10;

/**
 * A line of the log for each request that failed here or was slow; the others are counted in the metrics alone. At most
 * ten a second, so that a gateway under pressure does not write about it: the next line says how many were left out.
 */
export class AccessLog {
  readonly #log: Log;
  readonly #slowMs: number;
  #secondFromMs = -Infinity;
  #written = 0;
  #leftOut = 0;

  constructor(log: Log, slowMs: number) {
    this.#log = log;
    this.#slowMs = slowMs;
  }

  /** Whether a request gets a line. */
  wants(ms: number, failed: boolean): boolean {
    return failed || ms >= this.#slowMs;
  }

  write({ protocol, method, path, status, ms, traceId }: LoggedRequest): void {
    const nowMs = performance.now();
    if (nowMs - this.#secondFromMs >= 1_000) {
      this.#secondFromMs = nowMs;
      this.#written = 0;
    }
    if (this.#written >= linesPerSecond) {
      this.#leftOut++;
      return;
    }
    this.#written++;
    this.#log({
      level: 'warn',
      event: ms >= this.#slowMs ? 'slowRequest' : 'failedRequest',
      protocol,
      method,
      path: path.slice(0, 200),
      status,
      ms: Math.round(ms * 1_000) / 1_000,
      ...(traceId === null ? {} : { traceId }),
      ...(this.#leftOut === 0 ? {} : { leftOut: this.#leftOut }),
    });
    this.#leftOut = 0;
  }
}
