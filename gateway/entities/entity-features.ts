import type { FeatureRow, OnlineFeatures } from '../../activities/ports.js';
import type { EntityOptions } from '../../domain/serving-options.js';
import type { GatewayConfig } from '../gateway-config.js';
import { invalid, RequestError } from '../http/request-error.js';
import { quote } from '../oip/oip-request.js';
import type { InferRequest, RequestInput } from '../oip/oip-request.js';
import { readField } from '../oip/request-field.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { AttemptTrace } from '../watching/request-trace.js';
import type { SampledFigure } from '../watching/sampled-figure.js';
import { counter, gauge } from '../watching/sampled-figure.js';
import { FeatureCache } from './feature-cache.js';

export type EntityDeps = {
  /** Null where no store is configured. */
  readonly store: OnlineFeatures | null;
  readonly config: Pick<GatewayConfig, 'featureCacheEntries' | 'featureLimitMs'>;
};

type Entity = Readonly<Record<string, string | number>>;
type Asked = Pick<HostedVersion, 'model' | 'version' | 'spec'>;
/** Where it is noted what a look-up took and found. */
type LookupTrace = Pick<AttemptTrace, 'lookedUp'>;
type Wanted = {
  readonly names: readonly string[];
  readonly entities: readonly Entity[];
  readonly options: EntityOptions;
  readonly trace: LookupTrace | undefined;
};

/** Fills in the fields of requests that name entities instead of giving them. */
export class EntityFeatures {
  readonly #deps: EntityDeps;
  readonly #cache: FeatureCache;
  #failures = 0;

  constructor(deps: EntityDeps) {
    this.#deps = deps;
    this.#cache = new FeatureCache(deps.config.featureCacheEntries);
  }

  get figures(): readonly SampledFigure[] {
    const cache = this.#cache;
    return [
      counter('gateway_feature_cache_hits_total', 'Entities whose features were kept', () => cache.hits),
      counter('gateway_feature_cache_misses_total', 'Entities whose features were asked for', () => cache.misses),
      gauge('gateway_feature_cache_entries', 'Entities whose features are kept', () => cache.size),
      counter('gateway_feature_failures_total', 'Look-ups that the store did not answer', () => this.#failures),
    ];
  }

  /**
   * The request with every field that the version takes; the same one when nothing is left out. Throws or rejects with a
   * `RequestError`: `invalidRequest` naming the entity that is not known or lacks a value, `notReady` while the store is away.
   */
  complete(request: InferRequest, asked: Asked, trace?: LookupTrace): InferRequest | Promise<InferRequest> {
    const options = asked.spec.entities!;
    const names = options.features.filter((name) => !request.inputs.some((input) => input.name === name));
    const own = request.inputs.filter(({ name }) => asked.spec.request.some((field) => field.name === name));
    if (names.length === 0) return own.length === request.inputs.length ? request : { ...request, inputs: own };
    if (this.#deps.store === null)
      throw invalid(`inputs ${names.join(', ')} are missing, and no online feature store is configured to look them up: give them`);
    const wanted: Wanted = { names, entities: entitiesOf(request, { options, names }), options, trace };
    return this.#rows(this.#deps.store, asked, wanted).then((rows) => ({ ...request, inputs: [...own, ...inputsOf(rows, asked, wanted)] }));
  }

  async #rows(store: OnlineFeatures, asked: Asked, wanted: Wanted): Promise<FeatureRow[]> {
    const { model, version } = asked;
    const { names, entities, options } = wanted;
    const prefix = JSON.stringify([model, version, names]);
    const keys = entities.map((entity) => prefix + JSON.stringify(entity));
    const nowMs = performance.now();
    const rows = keys.map((key) => (options.ttlMs === 0 ? null : this.#cache.get(key, nowMs)));
    const missing = [...keys.keys()].filter((row) => rows[row] === null);
    let failed = true;
    let found: readonly (FeatureRow | null)[] = [];
    try {
      if (missing.length > 0)
        found = await this.#lookup(() => store.lookup({ model, version, names, entities: missing.map((row) => entities[row]!) }));
      if (found.length !== missing.length)
        throw new RequestError('notReady', `the online feature store answered ${found.length} rows for ${missing.length} entities`);
      failed = false;
    } finally {
      wanted.trace?.lookedUp(nowMs, { hits: rows.length - missing.length, misses: missing.length, failed });
    }
    if (missing.length > 0) {
      const thenMs = performance.now();
      missing.forEach((row, i) => {
        const answer = found[i] ?? null;
        if (answer === null) throw invalid(`row ${row}: ${told(entities[row]!)} is not known to the online feature store`);
        if (options.ttlMs > 0) this.#cache.set(keys[row]!, answer, { nowMs: thenMs, ttlMs: options.ttlMs });
        rows[row] = answer;
      });
    }
    rows.forEach((row, at) => {
      if (options.maxAgeMs !== undefined && row!.ageMs > options.maxAgeMs)
        throw new RequestError(
          'notReady',
          `row ${at}: the features of ${told(entities[at]!)} are ${Math.round(row!.ageMs)} ms old: at most ${options.maxAgeMs} are allowed`,
        );
    });
    return rows as FeatureRow[];
  }

  async #lookup<T>(ask: () => Promise<T>): Promise<T> {
    const { featureLimitMs } = this.#deps.config;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it did not answer within ${featureLimitMs} ms`)), featureLimitMs);
    });
    try {
      return await Promise.race([ask(), limit]);
    } catch (error) {
      this.#failures++;
      throw new RequestError('notReady', `the online feature store is away: ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The entities that a request names, one a row. */
function entitiesOf(request: InferRequest, { options, names }: Pick<Wanted, 'options' | 'names'>): Entity[] {
  const columns = options.key.map(({ name, datatype }) => {
    const input = request.inputs.find((one) => one.name === name);
    if (input === undefined)
      throw invalid(`inputs ${names.join(', ')} are missing: give them, or ${quote(name)}, by which they are looked up`);
    return { name, values: readField({ name, datatype }, input) as readonly (string | number)[] };
  });
  const rows = columns[0]!.values.length;
  for (const { name, values } of columns)
    if (values.length !== rows) throw invalid(`input ${quote(name)} has ${values.length} rows, ${quote(columns[0]!.name)} has ${rows}`);
  return Array.from({ length: rows }, (_, row) => Object.fromEntries(columns.map(({ name, values }) => [name, values[row]!])));
}

function inputsOf(rows: readonly FeatureRow[], { spec }: Asked, { names, entities }: Wanted): RequestInput[] {
  return names.map((name) => {
    const { datatype } = spec.request.find((field) => field.name === name)!;
    const data = rows.map(({ values }, row) => {
      const value = values[name] ?? null;
      if (value === null) throw invalid(`row ${row}: ${told(entities[row]!)} has no ${quote(name)} in the online feature store`);
      return value;
    });
    return { name, datatype, shape: [data.length], data };
  });
}

function told(entity: Entity): string {
  return `entity ${Object.entries(entity)
    .map(([name, value]) => `${name}=${quote(value)}`)
    .join(', ')}`;
}
