import { z } from 'zod';
import { PerennialError } from '../domain/errors.js';

/** What a caller of the gateway may do; `admin` includes `predict`. */
export type AccessRole = 'predict' | 'admin';

/** What AWS's clients sign their requests with: an id that every request names, and a secret that none does. */
export type AwsPair = {
  readonly accessKeyId: string;
  /** As it is: only who has the secret itself can check a signature. Null once the key was revoked. */
  readonly secretAccessKey: string | null;
};

/** A key of the gateway as `gateway-keys.json` holds it: what recognises the secret and, but for AWS's pairs, never the secret. */
export type GatewayKey = {
  readonly name: string;
  readonly role: AccessRole;
  /**
   * `sha256:<hex>` of a secret of 256 random bits, or, of a password that a person chose,
   * `scrypt:<N>:<r>:<p>:<salt>:<hash>` with salt and hash in base64url. Null for a key whose caller signs.
   */
  readonly digest: string | null;
  /** Of a key whose caller signs; null for one whose secret is shown. */
  readonly aws: AwsPair | null;
  /** Names of the models that it is for; null for all. */
  readonly models: readonly string[] | null;
  /** Most requests a second, over all processes of one gateway; null for no limit of its own. */
  readonly requestsPerSecond: number | null;
  readonly createdAtMs: number;
  /** From when it counts no longer; null for never. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
};

export const keyNamePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

const base64url = '[A-Za-z0-9_-]+';
const digestPattern = new RegExp(`^(sha256:[0-9a-f]{64}|scrypt:[0-9]{1,7}:[0-9]{1,2}:[0-9]{1,2}:${base64url}:${base64url})$`);
const moment = z.number().int().nonnegative();
/** What a secret access key is made of; a message that refuses one tells this and not the secret. */
const secretPattern = /^[A-Za-z0-9+/_-]{32,128}$/;
const pairSchema = z.strictObject({
  accessKeyId: z.string().regex(/^\w{16,128}$/),
  secretAccessKey: z.string().regex(secretPattern).nullable(),
});

const keySchema = z.strictObject({
  name: z.string().regex(keyNamePattern),
  role: z.enum(['predict', 'admin']),
  digest: z.string().regex(digestPattern).nullable(),
  aws: pairSchema.nullable().default(null),
  models: z.array(z.string().min(1)).min(1).nullable(),
  requestsPerSecond: z.number().positive().finite().nullable(),
  createdAtMs: moment,
  expiresAtMs: moment.nullable(),
  revokedAtMs: moment.nullable(),
});
const fileSchema = z.strictObject({ version: z.literal(1), keys: z.array(keySchema) });

/**
 * The keys of a file's text; `file` is its name in messages.
 * @throws PerennialError `DataInvalid` that names the place
 */
export function readGatewayKeys(text: string, file: string): GatewayKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What the parser says quotes the place, which may be within a secret.
    throw wrong(file, 'it is no JSON');
  }
  const read = fileSchema.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw wrong(file, `${issue?.path.join('.') || 'the document'}: ${issue?.message}`, read.error);
  }
  const { keys } = read.data;
  const unclear = keys.find(({ digest, aws }) => (digest === null) === (aws === null));
  if (unclear !== undefined) throw wrong(file, `${unclear.name} has to have either a digest or a pair of AWS's form`);
  const name = twice(keys.map((key) => key.name));
  if (name !== undefined) throw wrong(file, `the name ${name} stands there twice`);
  const id = twice(keys.flatMap(({ aws }) => aws?.accessKeyId ?? []));
  if (id !== undefined) throw wrong(file, `the access key id ${id} stands there twice`);
  return keys;
}

const twice = (names: readonly string[]): string | undefined => names.find((name, index) => names.indexOf(name) !== index);

/** The text of a file with these keys. */
export function writeGatewayKeys(keys: readonly GatewayKey[]): string {
  return `${JSON.stringify({ version: 1, keys }, null, 2)}\n`;
}

/** The key as it stays when it counts no longer: without a secret that could be used elsewhere. */
export function revokedKey(key: GatewayKey, nowMs: number): GatewayKey {
  return { ...key, aws: key.aws === null ? null : { ...key.aws, secretAccessKey: null }, revokedAtMs: nowMs };
}

/** Whether the key counts at this moment. */
export function isActiveKey(key: GatewayKey, nowMs: number): boolean {
  return key.revokedAtMs === null && (key.expiresAtMs === null || key.expiresAtMs > nowMs);
}

function wrong(file: string, reason: string, cause?: unknown): PerennialError {
  return new PerennialError('DataInvalid', `${file} holds no keys that can be read: ${reason}. ./perennial keys create writes it.`, {
    cause,
    details: { file },
  });
}
