import { z } from 'zod';
import { PerennialError } from '../../domain/errors.js';
import { payloadType } from './statement.js';

/** Sigstore bundle v0.3 in key mode: a DSSE envelope and a hint at the key. */
const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const base64 = z
  .string()
  .min(1)
  // Node reads base64 leniently; a second spelling of one signature must not pass.
  .refine((text) => Buffer.from(text, 'base64').toString('base64') === text, 'expected canonical base64');

const bundleSchema = z.object({
  mediaType: z.literal(bundleMediaType),
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().regex(/^[0-9a-f]{64}$/) }) }),
  dsseEnvelope: z.object({
    payload: base64,
    payloadType: z.literal(payloadType),
    signatures: z.tuple([z.object({ sig: base64 })]),
  }),
});

/** A signed payload as it travels. */
export type SignedPayload = { readonly payload: Buffer; readonly signature: Buffer; readonly keyHint: string };

/** The bundle's bytes: what is stored, and what other verifiers read from a `.sig` file. */
export function writeBundle(signed: SignedPayload): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: { publicKey: { hint: signed.keyHint }, tlogEntries: [] },
      dsseEnvelope: {
        payload: signed.payload.toString('base64'),
        payloadType,
        signatures: [{ sig: signed.signature.toString('base64'), keyid: '' }],
      },
    }),
  );
}

/**
 * Takes a bundle apart. Nothing in it is trusted yet.
 * @throws PerennialError `ArtifactRejected` naming the first place that is not as expected
 */
export function readBundle(bytes: Uint8Array): SignedPayload {
  const { dsseEnvelope, verificationMaterial } = parseJson({ bytes, schema: bundleSchema, what: 'The signature bundle' });
  return {
    payload: Buffer.from(dsseEnvelope.payload, 'base64'),
    signature: Buffer.from(dsseEnvelope.signatures[0].sig, 'base64'),
    keyHint: verificationMaterial.publicKey.hint,
  };
}

/** Parses JSON bytes against a schema, or refuses them by `ArtifactRejected` with the place and what was expected. */
export function parseJson<T>(input: { bytes: Uint8Array; schema: z.ZodType<T>; what: string }): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(input.bytes));
  } catch (cause) {
    throw new PerennialError('ArtifactRejected', `${input.what} is not JSON: ${(cause as Error).message}. Sign the package again.`, {
      cause,
    });
  }
  const parsed = input.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue?.path.join('.') || 'its top';
  throw new PerennialError(
    'ArtifactRejected',
    `${input.what} is not one of OpenSSF model signing v1.0 in key mode: at ${place}: ${issue?.message}. Sign the package again.`,
    {
      details: { place },
    },
  );
}
