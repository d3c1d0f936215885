import { invalid } from './request-error.js';

/**
 * Reads a JSON body. Refuses what is not JSON, not UTF-8, or nested deeper than `maxDepth`, before anything walks it.
 * Native `JSON.parse`: keys like `__proto__` become plain own properties, and of two equal keys the last one counts.
 */
export function parseJsonBody(body: Buffer, maxDepth: number): unknown {
  if (body.length === 0) throw invalid('the request has no body: a JSON object is expected');
  const text = body.toString('utf8');
  if (text.includes('\ufffd') && !isUtf8(body)) throw invalid('the body is not UTF-8');
  if (mayBeDeep(text, maxDepth) && depthExceeds(text, maxDepth)) {
    throw invalid(`JSON nesting depth exceeds maximum allowed limit (${maxDepth})`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw invalid(`the body is not JSON: ${(error as Error).message}`);
  }
}

function isUtf8(body: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(body);
    return true;
  } catch {
    return false;
  }
}

/** Cheap first look: a text with few brackets cannot be deep, and that is nearly every request. */
function mayBeDeep(text: string, maxDepth: number): boolean {
  let brackets = 0;
  for (const bracket of '[{') {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++brackets > maxDepth) return true;
    }
  }
  return false;
}

function depthExceeds(text: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > maxDepth) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
