import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/json.js';

/** `sha256:<hex>` of the canonical JSON of a value: how evidence, shapes and step inputs are named. Not for workflows. */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`;
}
