import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { ensureSecret } from './key-folder.js';

/** A person's Ed25519 key. The registry knows the public half; the private one stays with the person. */
export type PersonKey = { readonly name: string; readonly keyId: string; readonly privateKeyPem: string; readonly publicKeyPem: string };

/**
 * The key of a person in `<folder>/people/<name>.pem`, made at the first call.
 * @param name the user of the operating system when left out
 * @throws PerennialError `DataInvalid` for a name that cannot be a file's, `Unavailable` when the file cannot be used,
 *   others can read it, or it holds another kind of key
 */
export async function ensurePersonKey(folder: string, name: string = userInfo().username): Promise<PersonKey> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/.test(name)) {
    throw new PerennialError(
      'DataInvalid',
      `${JSON.stringify(name)} cannot name a person. Use 1 to 64 letters, digits and . _ @ + -, beginning with a letter or a digit.`,
      { details: { name } },
    );
  }
  const path = join(folder, 'people', `${name}.pem`);
  const privateKeyPem = await ensureSecret(path, () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  const publicKeyPem = publicHalf(privateKeyPem, path);
  return { name, keyId: personKeyId(publicKeyPem), privateKeyPem, publicKeyPem };
}

/** The name of a person's public key (PEM text): the hexadecimal SHA-256 of that text. */
export function personKeyId(publicKeyPem: string): string {
  return createHash('sha256').update(publicKeyPem).digest('hex');
}

function publicHalf(privateKeyPem: string, path: string): string {
  try {
    const key = createPublicKey(privateKeyPem);
    if (key.asymmetricKeyType === 'ed25519') return key.export({ type: 'spki', format: 'pem' }).toString();
  } catch {
    // Told below.
  }
  throw new PerennialError(
    'Unavailable',
    `${path} holds no Ed25519 private key. Move it away; a new one is made at the next call and must be registered.`,
    {
      retryable: false,
      details: { path },
    },
  );
}
