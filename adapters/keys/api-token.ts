import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { ensureSecret } from './key-folder.js';

const shortest = 32;

/**
 * The token that callers of the control API and of the gateway's writing routes show, from `<folder>/token`; 256 random
 * bits made at the first call. There is no default token.
 * @throws PerennialError `Unavailable` when the file cannot be used, others can read it, or it is too short to be secret
 */
export async function ensureToken(folder: string): Promise<string> {
  const path = join(folder, 'token');
  const token = (await ensureSecret(path, () => `${randomBytes(32).toString('base64url')}\n`)).trim();
  if (token.length < shortest) {
    throw new PerennialError(
      'Unavailable',
      `The token in ${path} is shorter than ${shortest} characters. Remove the file; a new one is made at the next start.`,
      {
        retryable: false,
        details: { path },
      },
    );
  }
  return token;
}

/** Whether the shown token is the right one, in a time that tells nothing about it. */
export function sameToken(shown: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(shown), digest(right));
}
