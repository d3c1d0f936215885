import { z } from 'zod';
import { PerennialError } from '../domain/errors.js';

/** What a caller of the gateway may do; `admin` includes `predict`. */
export type AccessRole = 'predict' | 'admin';

/** A key of the gateway as `gateway-keys.json` holds it: what recognises the secret, never the secret. */
export type GatewayKey = {
  readonly name: string;
  readonly role: AccessRole;
  /**
   * `sha256:<hex>` of a secret of 256 random bits, or, of a password that a person chose,
   * `scrypt:<N>:<r>:<p>:<salt>:<hash>` with salt and hash in base64url.
   */
  readonly digest: string;
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

const keySchema = z.strictObject({
  name: z.string().regex(keyNamePattern),
  role: z.enum(['predict', 'admin']),
  digest: z.string().regex(digestPattern),
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
  } catch (cause) {
    throw wrong(file, (cause as Error).message, cause);
  }
  const read = fileSchema.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw wrong(file, `${issue?.path.join('.') || 'the document'}: ${issue?.message}`, read.error);
  }
  const names = read.data.keys.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(file, `the name ${twice} stands there twice`);
  return read.data.keys;
}

/** The text of a file with these keys. */
export function writeGatewayKeys(keys: readonly GatewayKey[]): string {
  return `${JSON.stringify({ version: 1, keys }, null, 2)}\n`;
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
