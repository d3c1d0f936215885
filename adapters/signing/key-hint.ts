import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { PerennialError } from '../../domain/errors.js';

/** A public key that signatures may be checked with, and the name that bundles call it by. */
export type SigningPublicKey = { readonly keyId: string; readonly key: KeyObject };

/**
 * Reads an ECDSA P-256 public key (or takes the public half of a private one) from its PEM text. The key id is the
 * SHA-256 of the PEM text of its SubjectPublicKeyInfo, as OpenSSF model signing has it.
 * @throws PerennialError `ArtifactRejected` for another kind of key
 */
export function signingPublicKey(pem: string): SigningPublicKey {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new PerennialError(
      'ArtifactRejected',
      `A signing key cannot be read: ${(cause as Error).message}. Give the PEM text of an ECDSA P-256 public key.`,
      { cause },
    );
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType !== 'ec' || curve !== 'prime256v1') {
    const found = key.asymmetricKeyType === 'ec' ? `ec on ${curve}` : key.asymmetricKeyType;
    throw new PerennialError(
      'ArtifactRejected',
      `A signing key is ${found}; model signatures here are ECDSA on P-256. Make one with openssl ecparam -name prime256v1 -genkey -noout.`,
    );
  }
  return { keyId: createHash('sha256').update(pemOf(key)).digest('hex'), key };
}

/** The PEM text of a public key, as written into files and hashed into key ids. */
export function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}
