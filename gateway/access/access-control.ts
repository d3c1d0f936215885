import { createHash, timingSafeEqual } from 'node:crypto';
import type { AccessRole, GatewayKey } from '../../contracts/gateway-keys.js';
import { RequestError } from '../http/request-error.js';
import type { Caller, Credential } from './credential.js';
import { readAuthorization } from './credential.js';
import { KeyRing } from './key-ring.js';
import type { SignedRequest } from './signature-check.js';
import { verifySignature } from './signature-check.js';
import type { SharedLimits } from './shared-limits.js';
import type { TokenIssuer } from './token-verifier.js';
import { TokenVerifier } from './token-verifier.js';

/** What a caller shows and wants, whatever the protocol. */
export type AccessCall = {
  /** The `Authorization` header or metadata. */
  readonly authorization: string | undefined;
  /** The secret of a key by itself (`x-api-key`), for callers whose `Authorization` holds something else. */
  readonly apiKey?: string | undefined;
  readonly role: AccessRole;
  /** The model that it is about; null for what is about none, or about all. */
  readonly model: string | null;
};

export type AccessSettings = {
  /** An admin key that closes the gateway to all who show none. */
  readonly token: string | null;
  /** An admin key too, which by itself leaves the gateway open: on loopback, where there may be no other key. */
  readonly localToken: string | null;
  readonly tokens: TokenIssuer | null;
};

const anonymous: Caller = { name: 'anonymous', role: 'admin' };
const mostRemembered = 10_000;

/**
 * Who may call, for every protocol: API keys, JSON Web Tokens and the platform's own token, each with a role. What was
 * verified once is remembered while it counts, so that a request costs a look into a table.
 */
export class AccessControl {
  readonly #ring: KeyRing;
  readonly #tokens: TokenVerifier | null;
  readonly #adminDigests: readonly Buffer[];
  #remembered = new Map<string, Credential>();
  #closed: boolean;
  #denied = 0;

  /** `limits`: where the processes of a gateway count the requests of keys together; null where there is but this one. */
  constructor({ token, localToken, tokens }: AccessSettings, limits: SharedLimits | null = null) {
    this.#ring = new KeyRing(limits);
    this.#tokens = tokens === null ? null : new TokenVerifier(tokens);
    this.#adminDigests = [token, localToken].filter((one) => one !== null).map(digest);
    this.#closed = token !== null || tokens !== null;
  }

  /** Whether everybody may call: without any key, token or issuer. */
  get open(): boolean {
    return !this.#closed;
  }

  /** Calls that were refused so far: by their key, their role, their model or their rate. */
  get denied(): number {
    return this.#denied;
  }

  /** The keys from now on. Once there was one the gateway stays closed, whatever becomes of the keys. */
  replaceKeys(keys: readonly GatewayKey[]): void {
    this.#ring.replace(keys);
    this.#remembered = new Map();
    if (keys.length > 0) this.#closed = true;
  }

  /**
   * The caller; a promise only for what is not remembered, or where another process is asked about a key's rate. Throws (or rejects with) a `RequestError`: `unauthenticated`,
   * `forbidden` naming the role or the model that is lacking, `rateLimited`, `notReady` when an issuer is away.
   */
  check(call: AccessCall): Caller | Promise<Caller> {
    if (!this.#closed) return anonymous;
    try {
      const caller = this.#check(call);
      return caller instanceof Promise ? caller.catch((error: unknown) => this.#deny(error)) : caller;
    } catch (error) {
      return this.#deny(error);
    }
  }

  /** The body of a request that its caller, who may make it, signed as AWS's clients do. Rejects as `check` does, and with a `SignatureError`. */
  async checkSigned(call: AccessCall, request: SignedRequest): Promise<Buffer> {
    try {
      const { credential, body } = await verifySignature(this.#ring, request);
      await admitted(credential, call);
      return body;
    } catch (error) {
      return this.#deny(error);
    }
  }

  #deny(error: unknown): never {
    this.#denied++;
    throw error;
  }

  #check(call: AccessCall): Caller | Promise<Caller> {
    const shown = call.apiKey === undefined ? call.authorization : `Bearer ${call.apiKey}`;
    if (shown === undefined)
      throw new RequestError('unauthenticated', 'this gateway wants a key: send the header "Authorization: Bearer <key>"');
    const known = this.#remembered.get(shown);
    if (known !== undefined && known.untilMs > Date.now()) return admitted(known, call);
    return this.#verified(shown, call);
  }

  async #verified(shown: string, call: AccessCall): Promise<Caller> {
    const remembered = this.#remembered;
    const credential = await this.#credentialOf(shown);
    // Keys that changed meanwhile began another table: what was verified by the old ones is not kept.
    remembered.delete(shown);
    if (remembered.size >= mostRemembered) remembered.delete(remembered.keys().next().value ?? '');
    remembered.set(shown, credential);
    return admitted(credential, call);
  }

  async #credentialOf(header: string): Promise<Credential> {
    const shown = readAuthorization(header);
    if (shown === null) throw new RequestError('unauthenticated', 'the Authorization header is not understood: "Bearer <key>" is expected');
    if (shown.kind === 'basic') {
      const credential = await this.#ring.ofPassword(shown.name, shown.password);
      if (credential !== null) return credential;
      throw new RequestError('unauthenticated', 'the name and password are not those of a key that counts');
    }
    const digested = digest(shown.secret);
    if (this.#adminDigests.some((right) => timingSafeEqual(right, digested)))
      return { name: 'platform', role: 'admin', models: null, untilMs: Infinity, bucket: null };
    const credential = this.#ring.ofSecret(shown.secret);
    if (credential !== null) return credential;
    if (this.#tokens !== null && shown.secret.split('.', 4).length === 3) return this.#tokens.verify(shown.secret);
    throw new RequestError('unauthenticated', 'the key is not one of this gateway, or counts no longer');
  }
}

function admitted(credential: Credential, { role, model }: AccessCall): Caller | Promise<Caller> {
  if (role === 'admin' && credential.role !== 'admin')
    throw new RequestError('forbidden', `'${credential.name}' has the role predict: this needs the role admin`);
  if (credential.models !== null) {
    if (model !== null && !credential.models.has(model))
      throw new RequestError('forbidden', `'${credential.name}' is not for the model '${model}'`);
    if (model === null && role === 'admin')
      throw new RequestError('forbidden', `'${credential.name}' is for some models only: this is about all of them`);
  }
  const waitMs = credential.bucket?.take(performance.now()) ?? 0;
  return typeof waitMs === 'number' ? withinRate(credential, waitMs) : waitMs.then((answered) => withinRate(credential, answered));
}

function withinRate(credential: Credential, waitMs: number): Caller {
  if (waitMs > 0)
    throw new RequestError(
      'rateLimited',
      `'${credential.name}' may send ${credential.bucket?.ratePerSecond} requests a second: try again later`,
      waitMs,
    );
  return credential;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
