import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { AwsSignature } from './aws-signature.js';
import { readAwsSignature } from './aws-signature.js';
import type { Credential } from './credential.js';
import type { KeyRing, SigningKey } from './key-ring.js';
import { SignatureError } from './signature-error.js';
import { signatureOf } from './signature-of.js';
import { signingTime } from './signing-time.js';

/** A request as it was signed. */
export type SignedRequest = {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Reads the body as it came: packed, if it was. */
  body(): Buffer | Promise<Buffer>;
};

/** What the SDKs call SageMaker's runtime when they sign for it. */
const ourService = 'sagemaker';
/** These, where they are there, change what is answered: who signs has to sign them, as AWS asks. */
const mustBeSigned = /^(host|content-type|content-encoding|inference-header-content-length|x-amz-.*|x-amzn-sagemaker-.*)$/;
const bodyHashHeader = 'x-amz-content-sha256';

/**
 * Who signed a request, and its body, by AWS's Signature Version 4 over method, path, query, headers and body. The body is
 * read only where the key is known and the date is now. Rejects with a `SignatureError`, or with what `body` rejects with.
 */
export async function verifySignature(ring: KeyRing, request: SignedRequest): Promise<{ credential: Credential; body: Buffer }> {
  const { headers } = request;
  const claimed = readAwsSignature(headers.authorization ?? '');
  signingKey(ring, claimed);
  const signedAt = signingTime(headers['x-amz-date'], Date.now());
  if (signedAt.day !== claimed.day) throw invalid('the day in "Credential" is not that of X-Amz-Date');
  if (claimed.service !== ourService)
    throw invalid(`it is made for the service "${claimed.service}": it has to be made for "${ourService}"`);
  const signed = signedHeaders(headers, claimed);
  const body = await request.body();
  // The key may have been revoked while the body came.
  const { credential, secretAccessKey } = signingKey(ring, claimed);
  const right = await signatureOf({ ...request, headers: signed, body }, { of: claimed, secretAccessKey, epochMs: signedAt.epochMs });
  if (!timingSafeEqual(Buffer.from(right), Buffer.from(claimed.signature)))
    throw invalid(
      'it is not what this gateway calculates. Check the secret access key, and that nothing on the way changes Host, path, headers or body',
    );
  refuseOtherBody(signed[bodyHashHeader], body);
  return { credential, body };
}

function signingKey(ring: KeyRing, { accessKeyId }: AwsSignature): SigningKey {
  const key = ring.ofAccessKeyId(accessKeyId);
  if (key === 'expired') throw new SignatureError('ExpiredTokenException', `the key of the access key id ${accessKeyId} has expired`);
  if (key === 'unknown')
    throw new SignatureError(
      'UnrecognizedClientException',
      `the access key id ${accessKeyId} is not one of this gateway, or counts no longer: ./perennial keys create <name> --aws makes one`,
    );
  return key;
}

/** The headers that are signed, as one text each. */
function signedHeaders(headers: IncomingHttpHeaders, { signedHeaders: names }: AwsSignature): Record<string, string> {
  const signed: Record<string, string> = {};
  for (const name of names) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (value === undefined) throw invalid(`the header "${name.slice(0, 100)}" is signed and did not come`);
    signed[name] = typeof value === 'string' ? value : value.join(',');
  }
  if (!Object.hasOwn(signed, 'host')) throw invalid('the header "host" has to be signed');
  for (const name in headers)
    if (mustBeSigned.test(name) && !Object.hasOwn(signed, name)) throw invalid(`the header "${name.slice(0, 100)}" has to be signed`);
  return signed;
}

/** The hash that a client sends was signed instead of the body's own. No call of SageMaker's runtime leaves its body unsigned. */
function refuseOtherBody(told: string | undefined, body: Buffer): void {
  if (told === undefined) return;
  const own = createHash('sha256').update(body).digest('hex');
  if (told.toLowerCase() !== own) throw invalid(`${bodyHashHeader} is not the SHA-256 of the body that came`);
}

function invalid(reason: string): SignatureError {
  return new SignatureError('InvalidSignatureException', `the signature is refused: ${reason}`);
}
