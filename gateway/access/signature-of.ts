import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsSignature } from './aws-signature.js';

/** Hexadecimal digits of a signature. */
const digits = 64;

/** What a signature covers. */
export type SignedParts = {
  readonly method: string;
  readonly url: string;
  /** The headers that are signed, and no others, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** The signature, 64 hexadecimal digits, that a client with this secret makes of a request, in the scope of the one that it sent. */
export async function signatureOf(
  { method, url, headers, body }: SignedParts,
  { of, secretAccessKey, epochMs }: { readonly of: AwsSignature; readonly secretAccessKey: string; readonly epochMs: number },
): Promise<string> {
  const { accessKeyId, region, service, signedHeaders } = of;
  const credentials = { accessKeyId, secretAccessKey };
  const signer = new SignatureV4({ credentials, region, service, sha256: Sha256, applyChecksum: false });
  const signed = await signer.sign(new HttpRequest({ method, ...target(url), headers: { ...headers }, body }), {
    signingDate: new Date(epochMs),
    // What the library would leave out by itself was signed when it is named.
    signableHeaders: new Set(signedHeaders),
  });
  // The header ends in it.
  return (signed.headers['authorization'] ?? '').slice(-digits);
}

/** Path and query as the library wants them: it encodes the query itself. */
function target(url: string): { path: string; query: Record<string, string[]> } {
  const mark = url.indexOf('?');
  if (mark < 0) return { path: url, query: {} };
  const query = new Map<string, string[]>();
  for (const part of url.slice(mark + 1).split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decoded(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decoded(part.slice(equals + 1));
    query.set(name, [...(query.get(name) ?? []), value]);
  }
  return { path: url.slice(0, mark), query: Object.fromEntries(query) };
}

/** What is no valid percent-encoding stands for itself: then the signature cannot be right. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
