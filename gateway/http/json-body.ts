import { isUtf8 } from 'node:buffer';
import { repeatedName } from './json-text.js';
import { invalid } from './request-error.js';

/**
 * Reads a JSON body. Refuses what is not JSON, not UTF-8, nested deeper than `maxDepth` (before anything walks it), or has
 * a name twice in one object. Names like `__proto__` become plain own properties.
 */
export function parseJsonBody(body: Uint8Array, maxDepth: number): unknown {
  return parseJsonText(textOf(body), maxDepth);
}

/** The text of a body; refused when it is empty or not UTF-8. */
export function textOf(body: Uint8Array): string {
  if (body.length === 0) throw invalid('the request has no body: a JSON object is expected');
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  if (text.includes('\ufffd') && !isUtf8(body)) throw invalid('the body is not UTF-8');
  return text;
}

/** Lists and objects, and values, that a JSON text may have: what `JSON.parse` makes of more would take the process's time and memory. */
const mostContainers = 500_000;
const mostValues = 8_000_000;

/** As `parseJsonBody`, for a text. */
export function parseJsonText(text: string, maxDepth: number): unknown {
  if (text.length > mostContainers) refuseTooMany(text);
  if (mayBeDeep(text, maxDepth) && depthExceeds(text, maxDepth)) {
    throw invalid(`JSON nesting depth exceeds maximum allowed limit (${maxDepth})`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`the body is not JSON: ${(error as Error).message}`);
  }
  const repeated = repeatedName(text, value);
  if (repeated !== null)
    throw invalid(`the name ${JSON.stringify(repeated.slice(0, 100))} stands twice in one object: each may stand there once`);
  return value;
}

/** A small packed body may hold millions of lists. Marks inside texts count too: so many of them stand in no request that is meant. */
function refuseTooMany(text: string): void {
  const bound = (marks: string, most: number, what: string): void => {
    let found = 0;
    for (const mark of marks) {
      for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1))
        if (++found > most) throw invalid(`the body has more than ${most} ${what}, the most that JSON may have here: send binary tensors`);
    }
  };
  bound('[{', mostContainers, 'lists and objects');
  bound(',', mostValues, 'values');
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
