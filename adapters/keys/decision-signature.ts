import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { Decision } from '../../domain/approval.js';
import { canonicalJson } from '../../domain/json.js';

/** What a person signs: the whole decision, bound to the model and to the evidence that was seen. */
export type SignableDecision = { readonly model: string } & Pick<Decision, 'version' | 'decision' | 'by' | 'reason' | 'evidenceDigest'>;

/**
 * Signs a decision with a person's Ed25519 key.
 * @returns the two members that the decision carries to `model:<name>`
 */
export function signDecision(
  decision: SignableDecision,
  key: { readonly keyId: string; readonly privateKeyPem: string },
): { keyId: string; signature: string } {
  return { keyId: key.keyId, signature: sign(null, messageOf(decision), createPrivateKey(key.privateKeyPem)).toString('base64') };
}

/**
 * Whether the signature (base64) over exactly this decision is by this person's key. An unreadable key or signature is
 * no, never an error: it comes from outside.
 */
export function verifyDecision(decision: SignableDecision, signature: string, publicKeyPem: string): boolean {
  try {
    const key = createPublicKey(publicKeyPem);
    return key.asymmetricKeyType === 'ed25519' && verify(null, messageOf(decision), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}

function messageOf({ model, version, decision, by, reason, evidenceDigest }: SignableDecision): Buffer {
  return Buffer.from(canonicalJson({ model, version, decision, by, reason, evidenceDigest }));
}
