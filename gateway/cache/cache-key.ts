import { createHash } from 'node:crypto';
import type { TextNormalisation } from '../../domain/serving-options.js';
import type { NamedTensors, Tensor } from '../models/tensors.js';

/** Inputs longer than this are known by their SHA-256. */
const longestPlain = 512;

/**
 * Names what a model is fed: two requests of one version have the same key just when shapes and elements are the same, bit
 * for bit, texts after normalisation. What goes in are the model's own tensors, after features and look-ups, so nothing
 * that an answer depends on is left out.
 */
export function cacheKey(feeds: NamedTensors, normalize: TextNormalisation): string {
  let key = '';
  for (const name in feeds) {
    const tensor = feeds[name]!;
    key += `${tensor.dims.join(',')}:${tensor.type === 'string' ? textKey(tensor.data as string[], normalize) : bytesKey(tensor)}`;
  }
  return key.length <= longestPlain ? key : sha256(Buffer.from(key));
}

function bytesKey(tensor: Tensor): string {
  const { buffer, byteOffset, byteLength } = tensor.data as Float32Array;
  const bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
  return byteLength <= longestPlain ? bytes.toString('latin1') : sha256(bytes);
}

/** Each text with its length before it, so that no two lists read alike. */
function textKey(texts: readonly string[], normalize: TextNormalisation): string {
  let key = '';
  for (const text of texts) {
    const normal = normalize === 'none' ? text : normalize === 'trim' ? text.trim() : text.trim().toLowerCase();
    key += `${normal.length}:${normal}`;
  }
  return key;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}
