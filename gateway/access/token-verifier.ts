import { errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { AccessRole } from '../../contracts/gateway-keys.js';
import { RequestError } from '../http/request-error.js';
import type { Credential } from './credential.js';
import { keySetOf } from './key-set.js';

/** Whose JSON Web Tokens count. Exactly one of `secret` and `keySet` is given. */
export type TokenIssuer = {
  readonly issuer: string;
  readonly audience: string;
  /** For HS256: at least 32 characters. */
  readonly secret: string | null;
  /** For RS256, ES256 and EdDSA: the path or the address of a JSON Web Key Set. */
  readonly keySet: string | null;
  /** The claim that holds the roles, as a list or a text of words; dots lead into objects. */
  readonly roleClaim: string;
};

/** A verified token is looked at anew after this time, so that a key taken out of the set stops counting. */
const trustedForMs = 300_000;
const clockToleranceSeconds = 5;
/** Codes of jose for a set that could not be fetched or read; the generic one is another status than 200. */
const keySetIsAway: ReadonlySet<string> = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']);

/** Verifies tokens of one issuer: signature, issuer, audience, expiry (which must be there), and a role in its claim. */
export class TokenVerifier {
  readonly #of: TokenIssuer;
  readonly #key: Uint8Array | JWTVerifyGetKey;
  readonly #algorithms: readonly string[];

  constructor(of: TokenIssuer) {
    this.#of = of;
    // A secret takes HS256 alone and a key set never does: a public key cannot be misused as a secret.
    this.#algorithms = of.secret === null ? ['RS256', 'ES256', 'EdDSA', 'Ed25519'] : ['HS256'];
    this.#key = of.secret === null ? keySetOf(of.keySet ?? '') : new TextEncoder().encode(of.secret);
  }

  /** Throws a `RequestError`: `unauthenticated` with the reason, `notReady` when the issuer's keys cannot be had. */
  async verify(token: string): Promise<Credential> {
    const { issuer, audience } = this.#of;
    const options = {
      issuer,
      audience,
      algorithms: [...this.#algorithms],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
    };
    try {
      // The two forms of the second argument are two overloads.
      const verified =
        typeof this.#key === 'function' ? await jwtVerify(token, this.#key, options) : await jwtVerify(token, this.#key, options);
      return this.#credential(verified.payload);
    } catch (error) {
      if (error instanceof RequestError) throw error;
      // What jose says of a token names the check that failed, and nothing secret.
      if (error instanceof errors.JOSEError && !keySetIsAway.has(error.code))
        throw new RequestError('unauthenticated', `the token is refused: ${error.message}`);
      throw new RequestError('notReady', 'the keys that tokens are verified with cannot be had: try again later');
    }
  }

  #credential(payload: JWTPayload): Credential {
    const role = roleOf(payload, this.#of.roleClaim);
    const models = payload['models'];
    if (models !== undefined && !(Array.isArray(models) && models.every((name) => typeof name === 'string')))
      throw new RequestError('unauthenticated', 'the token is refused: its claim "models" is no list of names');
    return {
      name: payload.sub ?? 'token',
      role,
      models: models === undefined ? null : new Set(models as string[]),
      untilMs: Math.min((payload.exp ?? 0) * 1000, Date.now() + trustedForMs),
      bucket: null,
    };
  }
}

function roleOf(payload: JWTPayload, claim: string): AccessRole {
  let value: unknown = payload;
  for (const part of claim.split('.'))
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? (value as Record<string, unknown>)[part] : undefined;
  const roles: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  if (roles.includes('admin')) return 'admin';
  if (roles.includes('predict')) return 'predict';
  throw new RequestError('unauthenticated', `the token is refused: its claim "${claim}" holds neither predict nor admin`);
}
