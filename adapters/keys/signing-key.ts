import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pemOf, signingPublicKey } from '../signing/key-hint.js';
import { ensureSecret } from './key-folder.js';
import { trustKey } from './trusted-keys.js';

/** The key that packages are signed with. `keyId` is what signatures call it by. */
export type SigningKey = { readonly keyId: string; readonly privateKeyPem: string; readonly publicKeyPem: string };

/**
 * The ECDSA P-256 key in `<folder>/signing.pem`, made at the first call. Its public half is put among the trusted keys
 * (trusted-keys.ts), so that what this process signs is believed by those that share the folder.
 * @throws PerennialError `Unavailable` when the file cannot be used or others can read it, `ArtifactRejected` when it
 *   holds another kind of key
 */
export async function ensureSigningKey(folder: string): Promise<SigningKey> {
  const privateKeyPem = await ensureSecret(join(folder, 'signing.pem'), () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  const { keyId, key } = signingPublicKey(privateKeyPem);
  const publicKeyPem = pemOf(key);
  await trustKey(folder, publicKeyPem);
  return { keyId, privateKeyPem, publicKeyPem };
}
