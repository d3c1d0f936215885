import { Exposition } from './exposition.js';
import { processMetrics } from './process-metrics.js';
import { RequestCounts } from './request-counts.js';
import type { SampledFigure } from './sampled-figure.js';
import { writeTriton } from './triton-text.js';
import type { SlotBudget } from './version-latencies.js';
import { VersionMetrics } from './version-metrics.js';
import { writeVersions } from './version-text.js';

/** Versions that are not known any more, but whose counts are still told. */
const maxForgotten = 200;

/** The gateway's metrics: counted in plain fields, and made Prometheus text when somebody asks. */
export class GatewayMetrics {
  readonly requests: RequestCounts;
  /** Room for latencies by event time; none where nothing stores them. */
  readonly slots: SlotBudget;
  readonly #versions = new Map<string, VersionMetrics>();
  readonly #sampled: SampledFigure[] = [];
  readonly #writers: ((text: Exposition) => void)[] = [];
  readonly #process = processMetrics();

  /** `serves` says whether requests may be counted under a model's name. */
  constructor(slots: SlotBudget = { left: 0, dropped: 0 }, serves: (model: string) => boolean = () => false) {
    this.slots = slots;
    this.requests = new RequestCounts(serves);
  }

  /** The counts of a version, to be held by whoever counts. Only what the registry knows may be named here: each is some series. */
  version(model: string, version: string): VersionMetrics {
    const key = `${model} ${version}`;
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    this.#forget();
    const metrics = new VersionMetrics(model, version, this.slots);
    this.#versions.set(key, metrics);
    return metrics;
  }

  /** Counts of all versions, by model and version. */
  get versions(): readonly VersionMetrics[] {
    return [...this.#versions.values()].sort((a, b) => compare(a.model, b.model) || compare(a.version, b.version));
  }

  /** Tells these figures from now on. */
  sample(...figures: readonly SampledFigure[]): void {
    this.#sampled.push(...figures);
  }

  /** Lets a part of the gateway write families of its own. */
  also(write: (text: Exposition) => void): void {
    this.#writers.push(write);
  }

  /** Prometheus text of everything. */
  async text(): Promise<string> {
    const text = new Exposition();
    const { versions } = this;
    writeVersions(text, versions);
    this.requests.write(text);
    for (const { name, kind, help, read } of this.#sampled) text.family(name, kind, help).add({}, read());
    for (const write of this.#writers) write(text);
    writeTriton(text, versions);
    return text.text + (await this.#process.metrics());
  }

  get contentType(): string {
    return this.#process.contentType;
  }

  clear(): void {
    this.#process.clear();
    this.#versions.clear();
  }

  /**
   * Lets go of the oldest versions that no route names any more, so that a year of releases is not told for ever. One that is
   * only out of memory counts on when it comes back.
   */
  #forget(): void {
    const gone = [...this.#versions].filter(([, { isHeld }]) => !isHeld);
    for (const [key] of gone.slice(0, Math.max(0, gone.length - maxForgotten + 1))) this.#versions.delete(key);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
