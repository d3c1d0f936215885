import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { pemOf, signingPublicKey } from '../signing/key-hint.js';
import { ensureSecret } from './key-folder.js';

/** The key that packages are signed with. `keyId` is what signatures call it by. */
export type SigningKey = { readonly keyId: string; readonly privateKeyPem: string; readonly publicKeyPem: string };

/**
 * The ECDSA P-256 key in `<folder>/signing.pem`, made at the first call. The public half is not kept beside it: it is
 * derived, so that the two cannot disagree.
 * @throws PerennialError `Unavailable` when the file cannot be used or others can read it, `ArtifactRejected` when it
 *   holds another kind of key
 */
export async function ensureSigningKey(folder: string): Promise<SigningKey> {
  const privateKeyPem = await ensureSecret(join(folder, 'signing.pem'), () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  const { keyId, key } = signingPublicKey(privateKeyPem);
  return { keyId, privateKeyPem, publicKeyPem: pemOf(key) };
}
