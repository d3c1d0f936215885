import type { RequestErrorKind } from '../http/request-error.js';
import { Histogram } from './histogram.js';
import { RecentLatency, type RecentFigures } from './recent-latency.js';
import { type SlotBudget, VersionLatencies } from './version-latencies.js';

/** How often something happened and how long it took in all, in nanoseconds: the figures of Triton's statistics. */
export type CountedTime = { readonly count: number; readonly ns: number };

/** Everything counted of a version at one moment. Times of requests add up; a run counts once a request in its batch. */
export type VersionSnapshot = {
  readonly model: string;
  readonly version: string;
  /** Requests answered and failed, from their arrival. */
  readonly success: CountedTime;
  readonly fail: CountedTime;
  readonly queue: CountedTime;
  readonly computeInput: CountedTime;
  readonly computeInfer: CountedTime;
  readonly computeOutput: CountedTime;
  readonly cacheHit: CountedTime;
  readonly cacheMiss: CountedTime;
  /** Rows that the model ran on, and runs. */
  readonly inferences: number;
  readonly runs: number;
  /** Wall time of the newest run, epoch milliseconds; null before the first. */
  readonly lastRunMs: number | null;
  /** Runs by their number of rows, ascending. Sizes above 256 are counted under the next power of two. */
  readonly batches: readonly { readonly rows: number; readonly computeInfer: CountedTime }[];
};

/** A version as it is loaded now; one that is loaded anew overlaps with itself. `inFlight` and `waiting` are read when somebody asks. */
export type LoadedVersion = { readonly loadSeconds: number; readonly inFlight: () => number; readonly waiting: () => number };

/** Upper bounds in seconds. */
const latencyBounds = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5, 5];
const workBounds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const rowBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const largestExactBatch = 256;

class Timed {
  count = 0;
  ms = 0;

  add(ms: number): void {
    this.count++;
    this.ms += ms;
  }

  get counted(): CountedTime {
    return { count: this.count, ns: Math.round(this.ms * 1e6) };
  }
}

/**
 * The figures of one version: one object, bound once, with plain fields that requests count in. They become text only
 * when somebody asks. All times given are in milliseconds.
 */
export class VersionMetrics {
  readonly model: string;
  readonly version: string;
  /** Latencies by event time on their way to the store that rollouts are judged by. */
  readonly latencies: VersionLatencies;
  /** Latency of live answers, of shadow answers, wait for a run, time of a run: seconds. Rows of a run. */
  readonly latency = new Histogram(latencyBounds);
  readonly shadowLatency = new Histogram(latencyBounds);
  readonly queueTime = new Histogram(workBounds);
  readonly runTime = new Histogram(workBounds);
  readonly batchRows = new Histogram(rowBounds);
  /** Rows answered, live and by the shadow; rows failed, by error. */
  rows = 0;
  shadowRows = 0;
  readonly failedRows = new Map<RequestErrorKind, number>();
  readonly failedRequests = new Map<RequestErrorKind, number>();
  readonly shadowFailedRows = new Map<RequestErrorKind, number>();
  fallbacks = 0;
  shed = 0;
  loads = 0;
  /** Of the last load, with verification and warm-up. */
  loadSeconds: number | null = null;

  readonly #success = new Timed();
  readonly #fail = new Timed();
  readonly #queue = new Timed();
  readonly #input = new Timed();
  readonly #infer = new Timed();
  readonly #output = new Timed();
  readonly #cacheHit = new Timed();
  readonly #cacheMiss = new Timed();
  readonly #batches = new Map<number, Timed>();
  readonly #hosts = new Set<LoadedVersion>();
  #holders = 0;
  readonly #recent = new RecentLatency(performance.now());
  #inferences = 0;
  #runs = 0;
  #lastRunMs: number | null = null;

  constructor(model: string, version: string, slots: SlotBudget) {
    this.model = model;
    this.version = version;
    this.latencies = new VersionLatencies(slots);
  }

  /** A caller got its answer, `latencyMs` after the request arrived, at `nowMs` by `performance.now()`. */
  answered(rows: number, latencyMs: number, nowMs: number): void {
    this.rows += rows;
    this.latency.observe(latencyMs / 1000);
    this.#success.add(latencyMs);
    this.#recent.add(latencyMs, nowMs);
  }

  /** A request got no prediction of this version. */
  failed(kind: RequestErrorKind, rows: number, latencyMs: number): void {
    increase(this.failedRows, kind, rows);
    increase(this.failedRequests, kind, 1);
    this.#fail.add(latencyMs);
  }

  /** The shadow's answer to a copy, which nobody got. */
  shadowAnswered(rows: number, latencyMs: number): void {
    this.shadowRows += rows;
    this.shadowLatency.observe(latencyMs / 1000);
  }

  shadowFailed(kind: RequestErrorKind, rows: number): void {
    increase(this.shadowFailedRows, kind, rows);
  }

  /** A request's values were turned into tensors, features and all. */
  prepared(ms: number): void {
    this.#input.add(ms);
  }

  /** A request waited this long for its run to begin. */
  queued(ms: number): void {
    this.#queue.add(ms);
    this.queueTime.observe(ms / 1000);
  }

  /** One run of the model, for a batch of so many requests. */
  ran({ requests, rows, ms }: { readonly requests: number; readonly rows: number; readonly ms: number }): void {
    this.#runs++;
    this.#inferences += rows;
    this.#lastRunMs = Date.now();
    this.#infer.count += requests;
    this.#infer.ms += ms * requests;
    this.runTime.observe(ms / 1000);
    this.batchRows.observe(rows);
    const size = rows <= largestExactBatch ? rows : 2 ** Math.ceil(Math.log2(rows));
    let batches = this.#batches.get(size);
    if (batches === undefined) this.#batches.set(size, (batches = new Timed()));
    batches.add(ms);
  }

  /** A run's outputs were turned into a request's answer. */
  read(ms: number): void {
    this.#output.add(ms);
  }

  /** An answer was taken from the response cache, after looking for so long; no run was needed. */
  cacheHit(lookUpMs: number): void {
    this.#cacheHit.add(lookUpMs);
  }

  /** The response cache had no answer; the time to look for it and to put it there. */
  cacheMiss(lookUpMs: number): void {
    this.#cacheMiss.add(lookUpMs);
  }

  /** It is ready to serve. To be told when its session is freed, by the function that this answers. */
  loaded(host: LoadedVersion): () => void {
    this.loads++;
    this.loadSeconds = host.loadSeconds;
    this.#hosts.add(host);
    return () => void this.#hosts.delete(host);
  }

  get isLoaded(): boolean {
    return this.#hosts.size > 0;
  }

  /** Somebody counts here from now on, loaded or not, until the function that this answers is called. */
  hold(): () => void {
    this.#holders++;
    return () => void this.#holders--;
  }

  get isHeld(): boolean {
    return this.#holders > 0 || this.isLoaded;
  }

  /** Requests at work, and those of them that wait for a run or are in it. */
  get inFlight(): number {
    return sum(this.#hosts, ({ inFlight }) => inFlight());
  }

  get waiting(): number {
    return sum(this.#hosts, ({ waiting }) => waiting());
  }

  recent(nowMs: number): RecentFigures {
    return this.#recent.figures(nowMs);
  }

  snapshot(): VersionSnapshot {
    return {
      model: this.model,
      version: this.version,
      success: this.#success.counted,
      fail: this.#fail.counted,
      queue: this.#queue.counted,
      computeInput: this.#input.counted,
      computeInfer: this.#infer.counted,
      computeOutput: this.#output.counted,
      cacheHit: this.#cacheHit.counted,
      cacheMiss: this.#cacheMiss.counted,
      inferences: this.#inferences,
      runs: this.#runs,
      lastRunMs: this.#lastRunMs,
      batches: [...this.#batches].sort(([a], [b]) => a - b).map(([rows, timed]) => ({ rows, computeInfer: timed.counted })),
    };
  }
}

function increase(counts: Map<RequestErrorKind, number>, kind: RequestErrorKind, by: number): void {
  counts.set(kind, (counts.get(kind) ?? 0) + by);
}

function sum<T>(of: Iterable<T>, read: (one: T) => number): number {
  let total = 0;
  for (const one of of) total += read(one);
  return total;
}
