import { createHash, randomBytes, scryptSync } from 'node:crypto';
import { keyNamePattern } from '../../contracts/gateway-keys.js';
import type { GatewayKey } from '../../contracts/gateway-keys.js';
import { PerennialError } from '../../domain/errors.js';

/** What a new key may do; `password` is a secret that a person chose, instead of one that is made here. */
export type NewGatewayKey = Pick<GatewayKey, 'name' | 'role' | 'models' | 'requestsPerSecond' | 'expiresAtMs'> & {
  readonly password?: string;
};

/** What the client of an AWS SDK is told; the secret is shown once. */
export type NewAwsPair = { readonly accessKeyId: string; readonly secretAccessKey: string };

/** Not AWS's own prefix, so that nobody takes one for the key of an account there. */
const accessKeyPrefix = 'PRNL';
/** Of the rest of an access key id, as AWS's are made. */
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

const shortestPassword = 12;
const cost = { N: 32_768, r: 8, p: 1 };

/**
 * A key and the secret that its caller shows. It is made of 256 random bits and kept as SHA-256; a password is kept by
 * scrypt, which makes guessing it from the file slow, and shown as `Authorization: Basic <name:password>`.
 * @throws PerennialError `DataInvalid` for a name that cannot be one, or a password that is too short
 */
export function makeGatewayKey(of: NewGatewayKey, nowMs: number): { key: GatewayKey; secret: string } {
  const { password } = of;
  const secret = password ?? `pk_${randomBytes(32).toString('base64url')}`;
  const digest = password === undefined ? `sha256:${createHash('sha256').update(secret).digest('hex')}` : scryptDigest(password);
  return { key: keyOf(of, { digest, aws: null }, nowMs), secret };
}

/**
 * A key of AWS's form: an access key id and a secret access key of 256 random bits, with which AWS's clients sign (SigV4).
 * Checking a signature takes the secret itself, so the key holds it.
 * @throws PerennialError `DataInvalid` for a name that cannot be one
 */
export function makeAwsKey(of: Omit<NewGatewayKey, 'password'>, nowMs: number): { key: GatewayKey; pair: NewAwsPair } {
  const letters = [...randomBytes(16)].map((byte) => base32[byte % base32.length]);
  const pair = { accessKeyId: accessKeyPrefix + letters.join(''), secretAccessKey: randomBytes(32).toString('base64url') };
  return { key: keyOf(of, { digest: null, aws: pair }, nowMs), pair };
}

function keyOf(of: NewGatewayKey, secret: Pick<GatewayKey, 'digest' | 'aws'>, nowMs: number): GatewayKey {
  const { name, role, models, requestsPerSecond, expiresAtMs } = of;
  if (!keyNamePattern.test(name))
    throw new PerennialError(
      'DataInvalid',
      `${JSON.stringify(name)} cannot name a key. Use 1 to 64 letters, digits and . _ @ -, beginning with a letter or a digit.`,
    );
  return { name, role, ...secret, models, requestsPerSecond, createdAtMs: nowMs, expiresAtMs, revokedAtMs: null };
}

function scryptDigest(password: string): string {
  if (password.length < shortestPassword)
    throw new PerennialError('DataInvalid', `The password is shorter than ${shortestPassword} characters. Choose a longer one.`);
  const salt = randomBytes(16);
  const hash = scryptSync(password, salt, 32, { ...cost, maxmem: 256 * cost.N * cost.r });
  return `scrypt:${cost.N}:${cost.r}:${cost.p}:${salt.toString('base64url')}:${hash.toString('base64url')}`;
}
