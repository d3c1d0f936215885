import { PerennialError } from '../domain/errors.js';

/** Whose JSON Web Tokens the gateway takes, as the variables `PERENNIAL_JWT_*` say. */
export type TokenIssuerConfig = {
  readonly issuer: string;
  readonly audience: string;
  readonly secret: string | null;
  readonly keySet: string | null;
  readonly roleClaim: string;
};

const shortestSecret = 32;

/** Null when none of the variables is set. @throws PerennialError `DataInvalid` naming the variable and what was expected */
export function readTokenIssuer(env: Readonly<Record<string, string | undefined>>): TokenIssuerConfig | null {
  const keySet = env['PERENNIAL_JWT_JWKS'] ?? null;
  const secret = env['PERENNIAL_JWT_SECRET'] ?? null;
  const issuer = env['PERENNIAL_JWT_ISSUER'];
  const audience = env['PERENNIAL_JWT_AUDIENCE'];
  if (keySet === null && secret === null) {
    if (issuer === undefined && audience === undefined) return null;
    throw invalid('PERENNIAL_JWT_JWKS is not set: expected the path or the address of a JSON Web Key Set, or PERENNIAL_JWT_SECRET');
  }
  if (keySet !== null && secret !== null) throw invalid('PERENNIAL_JWT_JWKS and PERENNIAL_JWT_SECRET are both set: expected one of them');
  if (secret !== null && secret.length < shortestSecret)
    throw invalid(`PERENNIAL_JWT_SECRET has ${secret.length} characters: expected at least ${shortestSecret}`);
  if (keySet !== null) refusePlainHttp(keySet);
  if (issuer === undefined) throw invalid('PERENNIAL_JWT_ISSUER is not set: expected the claim "iss" of the tokens');
  if (audience === undefined) throw invalid('PERENNIAL_JWT_AUDIENCE is not set: expected the claim "aud" of the tokens');
  return { issuer, audience, secret, keySet, roleClaim: env['PERENNIAL_JWT_ROLE_CLAIM'] ?? 'role' };
}

/** Keys that come over a line which others can write to would let everybody in. */
function refusePlainHttp(place: string): void {
  if (!/^http:/i.test(place)) return;
  const { hostname } = new URL(place);
  if (hostname !== 'localhost' && hostname !== '[::1]' && !hostname.startsWith('127.'))
    throw invalid(`PERENNIAL_JWT_JWKS=${place}: expected https beyond loopback`);
}

const invalid = (message: string): PerennialError => new PerennialError('DataInvalid', message, { retryable: false });
