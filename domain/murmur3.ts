/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain) over the UTF-8 bytes of a text; an unsigned 32-bit integer.
 * Well mixed and fast, with published test vectors; not for anything that an opponent may choose.
 */
export function murmur3(text: string, seed = 0): number {
  let hash = seed | 0;
  let block = 0;
  let length = 0;

  const take = (byte: number): void => {
    block |= byte << ((length & 3) << 3);
    length += 1;
    if ((length & 3) !== 0) return;
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    block = 0;
  };

  for (let index = 0; index < text.length; index += 1) {
    const code = text.codePointAt(index) ?? 0;
    if (code < 0x80) {
      take(code);
    } else if (code < 0x800) {
      take(0xc0 | (code >> 6));
      take(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      take(0xe0 | (code >> 12));
      take(0x80 | ((code >> 6) & 0x3f));
      take(0x80 | (code & 0x3f));
    } else {
      take(0xf0 | (code >> 18));
      take(0x80 | ((code >> 12) & 0x3f));
      take(0x80 | ((code >> 6) & 0x3f));
      take(0x80 | (code & 0x3f));
      index += 1;
    }
  }

  if ((length & 3) !== 0) hash ^= scramble(block);
  hash ^= length;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return hash >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
