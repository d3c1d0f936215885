import type { CacheOptions } from '../../domain/serving-options.js';
import { RequestError } from '../http/request-error.js';
import type { NamedTensors } from '../models/tensors.js';
import type { OutputTensor, Predicted } from '../plans/serving-plan.js';
import { cacheKey } from './cache-key.js';

export type CacheCounts = {
  /** Both in milliseconds spent on looking, and on putting an answer there. */
  cacheHit(lookUpMs: number): void;
  cacheMiss(lookUpMs: number): void;
};

export type CacheQuestion = {
  readonly feeds: NamedTensors;
  /** How long this request waits for another one's run. */
  readonly limitMs: number;
  readonly run: () => Promise<Predicted>;
};

type Entry = { readonly predicted: Predicted; readonly bytes: number; readonly untilMs: number };

/**
 * Answers of one version, kept for requests that feed the model the same: at most so many and so large, the least recently
 * used going first, each for its time. Requests that ask the same at once share one run. An error is never kept.
 */
export class ResponseCache {
  readonly #options: CacheOptions;
  readonly #maxBytes: number;
  readonly #counts: CacheCounts;
  /** In the order of use, the newest last. */
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Promise<Predicted>>();
  bytes = 0;

  constructor(options: CacheOptions, limits: { readonly maxBytes: number; readonly counts: CacheCounts }) {
    this.#options = options;
    this.#maxBytes = limits.maxBytes;
    this.#counts = limits.counts;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** An answer, and whether it is that of another request's run. Rejects as `run` does, or with `timeout`. */
  async answer(question: CacheQuestion): Promise<{ predicted: Predicted; cached: boolean }> {
    const startedMs = performance.now();
    const key = cacheKey(question.feeds, this.#options.normalize ?? 'none');
    const kept = this.#find(key, startedMs);
    if (kept !== undefined) {
      this.#counts.cacheHit(performance.now() - startedMs);
      return { predicted: kept, cached: true };
    }
    const running = this.#running.get(key);
    if (running !== undefined) {
      const lookUpMs = performance.now() - startedMs;
      const shared = await within(question.limitMs, running);
      if (shared !== null) {
        this.#counts.cacheHit(lookUpMs);
        return { predicted: shared, cached: true };
      }
      // The other request failed, perhaps for a reason of its own (its caller has gone, its time was up): this one asks itself.
    }
    const lookUpMs = performance.now() - startedMs;
    const run = question.run();
    if (!this.#running.has(key)) this.#running.set(key, run);
    let predicted: Predicted;
    try {
      predicted = await run;
    } finally {
      if (this.#running.get(key) === run) this.#running.delete(key);
    }
    const answeredMs = performance.now();
    this.#keep(key, predicted, answeredMs);
    this.#counts.cacheMiss(lookUpMs + performance.now() - answeredMs);
    return { predicted, cached: false };
  }

  #find(key: string, nowMs: number): Predicted | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.untilMs <= nowMs) {
      this.bytes -= entry.bytes;
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.predicted;
  }

  #keep(key: string, predicted: Predicted, nowMs: number): void {
    const bytes = sizeOf(key, predicted);
    if (bytes > this.#maxBytes) return;
    this.bytes += bytes - (this.#entries.get(key)?.bytes ?? 0);
    this.#entries.delete(key);
    this.#entries.set(key, { predicted: ownCopy(predicted), bytes, untilMs: nowMs + this.#options.ttlMs });
    const { maxEntries } = this.#options;
    if (this.#entries.size > maxEntries || this.bytes > this.#maxBytes) this.#evict(maxEntries - (maxEntries >> 5));
  }

  /** Lets go of some at a time: finding the oldest entry of a map costs what was taken from its front before. */
  #evict(toEntries: number): void {
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= toEntries && this.bytes <= this.#maxBytes) break;
      this.#entries.delete(oldest);
      this.bytes -= entry.bytes;
    }
  }
}

/** The other request's answer; null when it failed. */
async function within(limitMs: number, running: Promise<Predicted>): Promise<Predicted | null> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RequestError('timeout', `the version did not answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([running.catch(() => null), limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Outputs are parts of a whole batch's memory, which one kept answer must not hold. */
function ownCopy(predicted: Predicted): Predicted {
  return { ...predicted, outputs: predicted.outputs.map((output) => ({ ...output, data: copied(output.data) })) };
}

function copied(data: OutputTensor['data']): OutputTensor['data'] {
  return ArrayBuffer.isView(data) ? (data as unknown as Float32Array).slice() : data;
}

/** Bytes that an answer takes in memory, near enough. */
function sizeOf(key: string, predicted: Predicted): number {
  let bytes = 2 * key.length + 200 + 8 * predicted.values.length;
  for (const { data } of predicted.outputs) {
    if (ArrayBuffer.isView(data)) bytes += data.byteLength;
    else for (let i = 0; i < data.length; i++) bytes += typeof data[i] === 'string' ? 2 * (data[i] as string).length + 16 : 8;
  }
  return bytes + 100 * predicted.outputs.length;
}
