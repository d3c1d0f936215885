import type { GatewayConfig } from '../gateway-config.js';
import type { HostedVersion } from '../models/hosted-version.js';
import type { SampledFigure } from '../watching/sampled-figure.js';
import { gauge } from '../watching/sampled-figure.js';
import { ResponseCache } from './response-cache.js';

/** The response caches of the versions whose definition asks for one. A version's cache goes with the version. */
export class ResponseCaches {
  readonly #config: Pick<GatewayConfig, 'cacheMaxBytes'>;
  readonly #caches = new WeakMap<HostedVersion, ResponseCache>();

  constructor(config: Pick<GatewayConfig, 'cacheMaxBytes'>) {
    this.#config = config;
  }

  /** Null for a version without one. */
  of(version: HostedVersion): ResponseCache | null {
    const options = version.spec.cache;
    if (options === undefined) return null;
    let cache = this.#caches.get(version);
    if (cache === undefined) {
      cache = new ResponseCache(options, { maxBytes: this.#config.cacheMaxBytes, counts: version.metrics });
      this.#caches.set(version, cache);
    }
    return cache;
  }

  /** What the caches of these versions hold. */
  figures(versions: () => Iterable<HostedVersion>): readonly SampledFigure[] {
    const sum = (of: (cache: ResponseCache) => number) => (): number => {
      let total = 0;
      for (const version of versions()) {
        const cache = this.#caches.get(version);
        if (cache !== undefined) total += of(cache);
      }
      return total;
    };
    return [
      gauge(
        'gateway_cache_entries',
        'Answers kept in response caches',
        sum(({ size }) => size),
      ),
      gauge(
        'gateway_cache_bytes',
        'Memory of the answers kept',
        sum(({ bytes }) => bytes),
      ),
    ];
  }
}
