import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { PackageFile } from '../../contracts/artifacts.js';

/**
 * The statement that OpenSSF model signing v1.0 signs: an in-toto Statement v1 whose predicate names and digests every
 * file. Its format documentation still shows the older predicate; this follows the published code.
 */
export const payloadType = 'application/vnd.in-toto+json';
const statementType = 'https://in-toto.io/Statement/v1';
const predicateType = 'https://model_signing/signature/v1.0';

const hex = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');

export const statementSchema = z.object({
  _type: z.literal(statementType),
  // One subject, by SHA-256 alone: a second one would be vouched for by nothing.
  subject: z.tuple([z.object({ name: z.string().min(1), digest: z.strictObject({ sha256: hex }) })]),
  predicateType: z.literal(predicateType),
  // Other members of the predicate are to be ignored by verifiers of v1.0; an unknown member of `serialization` would
  // change how the digests were made, so it is refused.
  predicate: z.object({
    serialization: z.strictObject({
      method: z.literal('files'),
      hash_type: z.literal('sha256'),
      allow_symlinks: z.literal(false),
      ignore_paths: z.array(z.string()).optional(),
    }),
    resources: z.array(z.object({ name: z.string(), algorithm: z.literal('sha256'), digest: hex })).min(1),
  }),
});
export type Statement = z.infer<typeof statementSchema>;

/** The statement over a package's files, in the order that the reference implementation gives them. */
export function statementOf(name: string, files: readonly PackageFile[]): Statement {
  const resources = files
    .map((file) => ({ name: file.path, algorithm: 'sha256' as const, digest: file.digest.slice('sha256:'.length) }))
    .sort((a, b) => compareByParts(a.name, b.name));
  return {
    _type: statementType,
    subject: [{ name, digest: { sha256: rootDigest(resources) } }],
    predicateType,
    predicate: { serialization: { method: 'files', hash_type: 'sha256', allow_symlinks: false }, resources },
  };
}

/**
 * SHA-256 over the resources' digests in their order, hexadecimal. Names are not in it: a rename can keep it, so it never
 * replaces the comparison of the full manifest.
 */
export function rootDigest(resources: readonly { readonly digest: string }[]): string {
  const hash = createHash('sha256');
  for (const { digest } of resources) hash.update(Buffer.from(digest, 'hex'));
  return hash.digest('hex');
}

/** DSSE's pre-authentication encoding: what the signature is really over. */
export function preAuthenticationEncoding(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.byteLength} `), payload]);
}

/** Paths sort by their parts and not as text: `a/b` comes before `a.b`. */
function compareByParts(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const order = Buffer.compare(Buffer.from(left[at] ?? ''), Buffer.from(right[at] ?? ''));
    if (order !== 0) return order;
  }
  return left.length - right.length;
}
