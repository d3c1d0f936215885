/** Index after the closing quote of the JSON string that begins at `start`. The text is known to be JSON. */
export function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let before = quote - 1;
    while (text.charCodeAt(before) === backslash) before--;
    // An even number of backslashes are themselves; an odd one escapes the quote.
    if ((quote - before) % 2 === 1) return quote + 1;
  }
}

const backslash = 0x5c;
const doubleQuote = 0x22;
const colon = 0x3a;

/**
 * The name of an object of a JSON text that stands there twice; null when there is none. `JSON.parse` keeps the last of
 * them without a word, so that what a filter before the gateway saw need not be what the gateway reads.
 */
export function repeatedName(text: string, value: unknown): string | null {
  // Every name has its colon. When no more colons are there than names were kept, none can have got lost.
  let colons = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) colons++;
  return colons === namesIn(value) ? null : firstRepeated(text);
}

/** Names of the objects in a value; too few where a list begins with something else than its objects, never too many. */
function namesIn(value: unknown): number {
  let names = 0;
  if (Array.isArray(value)) {
    if (typeof value[0] === 'object') for (const item of value) names += namesIn(item);
  } else if (typeof value === 'object' && value !== null) {
    for (const name in value) {
      names++;
      const inside = (value as Record<string, unknown>)[name];
      if (typeof inside === 'object') names += namesIn(inside);
    }
  }
  return names;
}

function firstRepeated(text: string): string | null {
  const objects: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x7b) objects.push(new Set());
    else if (code === 0x7d) objects.pop();
    else if (code === doubleQuote) {
      const end = endOfString(text, i);
      let next = end;
      while (text.charCodeAt(next) <= 0x20) next++;
      if (text.charCodeAt(next) === colon) {
        const name = JSON.parse(text.slice(i, end)) as string;
        const names = objects.at(-1)!;
        if (names.has(name)) return name;
        names.add(name);
      }
      i = end - 1;
    }
  }
  return null;
}

/** Calls `replace` with each number of the text, as it is written; what it answers takes the number's place. The text is known to be JSON. */
export function replaceNumbers(text: string, replace: (number: string) => string): string {
  let replaced = '';
  let copied = 0;
  for (let i = 0; i < text.length;) {
    const code = text.charCodeAt(i);
    if (code === doubleQuote) i = endOfString(text, i);
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
      let end = i + 1;
      while (isOfNumber(text.charCodeAt(end))) end++;
      const number = text.slice(i, end);
      const instead = replace(number);
      if (instead !== number) {
        replaced += text.slice(copied, i) + instead;
        copied = end;
      }
      i = end;
    } else i++;
  }
  return replaced + text.slice(copied);
}

/** Digits, point, sign and exponent. */
function isOfNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x2b || code === 0x2d || code === 0x65 || code === 0x45;
}
