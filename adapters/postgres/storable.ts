import type { Json } from '../../domain/json.js';

/** Postgres keeps neither NUL nor half of a surrogate pair. */
const unstorable = /\0|\p{Surrogate}/gu;

/** Text as Postgres can keep it: what it cannot becomes U+FFFD. */
export const storableText = (text: string): string => text.replace(unstorable, '\ufffd');

/**
 * A value as `jsonb` gives it back: plain JSON, so that its digest is the same before and after. Numbers without a JSON
 * form become their names, because an audit row must not be lost for a NaN.
 */
export function storable(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return storableText(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value);
  if (Array.isArray(value)) return value.map(storable);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object') {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(members.map(([key, member]) => [storableText(key), storable(member)]));
  }
  return typeof value === 'bigint' ? value.toString() : `(${typeof value})`;
}
