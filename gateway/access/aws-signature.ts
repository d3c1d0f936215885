import { SignatureError } from './signature-error.js';

/** What an `Authorization` header of AWS's Signature Version 4 says. */
export type AwsSignature = {
  readonly accessKeyId: string;
  /** Day of the scope, as `20260131`. */
  readonly day: string;
  readonly region: string;
  readonly service: string;
  /** Lower-case names of the headers that are signed. */
  readonly signedHeaders: readonly string[];
  /** 64 hexadecimal digits. */
  readonly signature: string;
};

const scheme = 'AWS4-';
const algorithm = /^AWS4-HMAC-SHA256 +/;
const scope = /^(\w{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request$/;
const names = /^[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*$/;

/** Whether an `Authorization` header holds a signature of AWS's, whatever it is worth. */
export function isAwsSignature(authorization: string): boolean {
  return authorization.startsWith(scheme);
}

/** Reads the header. Throws a `SignatureError` `IncompleteSignatureException` that names the part that is wrong. */
export function readAwsSignature(authorization: string): AwsSignature {
  if (!algorithm.test(authorization)) throw incomplete('only the algorithm AWS4-HMAC-SHA256 is taken');
  const parts = new Map<string, string>();
  for (const part of authorization.replace(algorithm, '').split(',')) {
    const equals = part.indexOf('=');
    parts.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim());
  }
  const [, accessKeyId, day, region, service] = scope.exec(parts.get('Credential') ?? '') ?? [];
  if (accessKeyId === undefined || day === undefined || region === undefined || service === undefined)
    throw incomplete('"Credential" is not <access key id>/<day>/<region>/<service>/aws4_request');
  const signed = parts.get('SignedHeaders') ?? '';
  if (!names.test(signed)) throw incomplete('"SignedHeaders" is no list of lower-case names with semicolons between them');
  const signature = parts.get('Signature') ?? '';
  if (!/^[0-9a-f]{64}$/.test(signature)) throw incomplete('"Signature" is not 64 hexadecimal digits');
  return { accessKeyId, day, region, service, signedHeaders: signed.split(';'), signature };
}

function incomplete(reason: string): SignatureError {
  return new SignatureError('IncompleteSignatureException', `the Authorization header is not understood: ${reason}`);
}
