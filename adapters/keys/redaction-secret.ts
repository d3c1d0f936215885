import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { ensureSecret } from './key-folder.js';

const shortest = 32;

/**
 * What redacted values of captures are hashed with, from `<folder>/redaction`; 256 random bits made at the first call.
 * Gateways of one installation share it, or equal values do not have equal hashes.
 * @throws PerennialError `Unavailable` when the file cannot be used, others can read it, or it is too short to be secret
 */
export async function ensureRedactionSecret(folder: string): Promise<string> {
  const path = join(folder, 'redaction');
  const secret = (await ensureSecret(path, () => `${randomBytes(32).toString('base64url')}\n`)).trim();
  if (secret.length >= shortest) return secret;
  throw new PerennialError(
    'Unavailable',
    `The secret in ${path} is shorter than ${shortest} characters. Remove the file; a new one is made at the next start, and hashes differ from then on.`,
    { retryable: false, details: { path } },
  );
}
