import { createHash } from 'node:crypto';
import { isActiveKey } from '../../contracts/gateway-keys.js';
import type { GatewayKey } from '../../contracts/gateway-keys.js';
import type { Credential } from './credential.js';
import { PasswordCheck } from './password-check.js';
import { SharedBucket } from './shared-bucket.js';
import type { SharedLimits } from './shared-limits.js';
import { TokenBucket, type RateLimit } from './token-bucket.js';

/** A key whose caller signs. */
export type SigningKey = { readonly credential: Credential; readonly secretAccessKey: string };

/** The keys that count, found by what a caller shows. */
export class KeyRing {
  readonly #passwords = new PasswordCheck();
  #byDigest = new Map<string, GatewayKey>();
  #byName = new Map<string, GatewayKey>();
  #byAccessKeyId = new Map<string, GatewayKey>();
  readonly #buckets = new Map<string, RateLimit>();
  /** Where several processes count together; null where this one counts alone. */
  readonly #shared: SharedLimits | null;

  constructor(shared: SharedLimits | null) {
    this.#shared = shared;
  }

  replace(keys: readonly GatewayKey[]): void {
    this.#byDigest = new Map(keys.flatMap((key) => (key.digest === null ? [] : [[key.digest, key]])));
    this.#byAccessKeyId = new Map(keys.flatMap((key) => (key.aws === null ? [] : [[key.aws.accessKeyId, key]])));
    this.#byName = new Map(keys.map((key) => [key.name, key]));
    for (const name of this.#buckets.keys()) if (!this.#byName.has(name)) this.#buckets.delete(name);
  }

  /** The key of a secret; null when there is none, or it counts no longer. */
  ofSecret(secret: string): Credential | null {
    // A digest tells nothing about how near a guess was, so looking it up in a table is safe.
    return this.#credential(this.#byDigest.get(`sha256:${createHash('sha256').update(secret).digest('hex')}`));
  }

  /** The key of a name and its password; null when there is none. Throws a `RequestError` `overloaded` under a flood of guesses. */
  async ofPassword(name: string, password: string): Promise<Credential | null> {
    const key = this.#byName.get(name);
    if (key?.digest?.startsWith('scrypt:') !== true || !(await this.#passwords.matches(password, key.digest))) return null;
    return this.#credential(this.#byName.get(name) === key ? key : undefined);
  }

  /** The key of an access key id; `unknown` when there is none or it was revoked, `expired` past its time. */
  ofAccessKeyId(id: string): SigningKey | 'unknown' | 'expired' {
    const key = this.#byAccessKeyId.get(id);
    const secretAccessKey = key?.aws?.secretAccessKey ?? null;
    if (key === undefined || key.revokedAtMs !== null || secretAccessKey === null) return 'unknown';
    const credential = this.#credential(key);
    return credential === null ? 'expired' : { credential, secretAccessKey };
  }

  #credential(key: GatewayKey | undefined): Credential | null {
    if (key === undefined || !isActiveKey(key, Date.now())) return null;
    return {
      name: key.name,
      role: key.role,
      models: key.models === null ? null : new Set(key.models),
      untilMs: key.expiresAtMs ?? Infinity,
      bucket: this.#bucket(key),
    };
  }

  /** One bucket a key, which a change of other keys leaves as it is. */
  #bucket({ name, requestsPerSecond }: GatewayKey): RateLimit | null {
    if (requestsPerSecond === null) return null;
    const known = this.#buckets.get(name);
    if (known?.ratePerSecond === requestsPerSecond) return known;
    const bucket =
      this.#shared === null
        ? new TokenBucket(requestsPerSecond, performance.now())
        : new SharedBucket(this.#shared, { key: name, ratePerSecond: requestsPerSecond });
    this.#buckets.set(name, bucket);
    return bucket;
  }
}
