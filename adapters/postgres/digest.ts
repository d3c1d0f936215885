import { createHash } from 'node:crypto';
import { canonicalJson } from '../../domain/json.js';

/** Hexadecimal SHA-256 of a text in UTF-8. */
export const sha256Hex = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

/** `sha256:<hex>` of the canonical JSON of a value: how definitions and evidence are named. */
export const digestOf = (value: unknown): string => `sha256:${sha256Hex(canonicalJson(value))}`;
