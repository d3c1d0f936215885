import type { AccessRole } from '../../contracts/gateway-keys.js';
import type { RateLimit } from './token-bucket.js';

/** Who calls: the name of a key, the subject of a token, or `anonymous` where everybody may call. */
export type Caller = { readonly name: string; readonly role: AccessRole };

/** What a shown secret or token stands for, once it was verified. */
export type Credential = Caller & {
  /** The models that it is for; null for all. */
  readonly models: ReadonlySet<string> | null;
  /** Epoch milliseconds from which it must be verified anew, or counts no longer. */
  readonly untilMs: number;
  readonly bucket: RateLimit | null;
};

/** What an `Authorization` header shows. */
export type Shown =
  { readonly kind: 'bearer'; readonly secret: string } | { readonly kind: 'basic'; readonly name: string; readonly password: string };

/** Reads `Bearer <secret>` or `Basic <base64 of name:password>`; null for anything else. */
export function readAuthorization(header: string): Shown | null {
  const [, scheme = '', value = ''] = /^([A-Za-z]+) +([\x21-\x7e]+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { kind: 'bearer', secret: value };
  if (scheme.toLowerCase() !== 'basic') return null;
  const text = Buffer.from(value, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? null : { kind: 'basic', name: text.slice(0, colon), password: text.slice(colon + 1) };
}
