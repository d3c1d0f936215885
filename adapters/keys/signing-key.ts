import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { pemOf, signingPublicKey } from '../signing/key-hint.js';
import { ensureSecret } from './key-folder.js';

/** The key that packages are signed with. `keyId` is what signatures call it by. */
export type SigningKey = { readonly keyId: string; readonly privateKeyPem: string; readonly publicKeyPem: string };

/**
 * The ECDSA P-256 key in `<folder>/signing.pem`, made at the first call. Its public half is written to
 * `<folder>/public/signing.pem`, for processes that only verify (PERENNIAL_TRUSTED_KEYS) and need nothing else of the
 * folder.
 * @throws PerennialError `Unavailable` when the files cannot be used or others can read the key, `ArtifactRejected` when
 *   it is of another kind
 */
export async function ensureSigningKey(folder: string): Promise<SigningKey> {
  const privateKeyPem = await ensureSecret(join(folder, 'signing.pem'), () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  const { keyId, key } = signingPublicKey(privateKeyPem);
  const publicKeyPem = pemOf(key);
  await publish(join(folder, 'public', 'signing.pem'), publicKeyPem);
  return { keyId, privateKeyPem, publicKeyPem };
}

async function publish(path: string, publicKeyPem: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined);
  if (found === publicKeyPem) return;
  const unfinished = join(dirname(path), `.${randomUUID()}`);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeFile(unfinished, publicKeyPem, { mode: 0o644 });
    await rename(unfinished, path);
  } catch (cause) {
    throw new PerennialError(
      'Unavailable',
      `The public key cannot be written to ${path}: ${(cause as Error).message}. Let this user write there.`,
      {
        cause,
        retryable: false,
        details: { path },
      },
    );
  } finally {
    await rm(unfinished, { force: true });
  }
}
