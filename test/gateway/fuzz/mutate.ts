import type { Random } from './random.js';

/** Bytes and texts at which parsers have failed before. */
const words = [
  '\0|\r\n|\n|\r\n\r\n| |:|,|"|\\|{|}|[|]|%|%00|%ff|/|..|;|=|\u2028|\ud83d'.split('|'),
  '-1|0|1e400|-0|9007199254740993|18446744073709551616|2147483648|1e-400|NaN|null|true|0x10|1.5'.split('|'),
  '__proto__|constructor|Content-Length: 1\r\n|Transfer-Encoding: chunked\r\n|binary_data_size|shape|BYTES|FP16'.split('|'),
]
  .flat()
  .map((word) => Buffer.from(word));

const edges = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x22, 0x2d, 0x5b, 0x7b, 0x7f, 0x80, 0xff];

/** A copy of the bytes with one to eight changes: bits, bytes, words, and parts left out, doubled, moved or cut off. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = 1 + random.below(random.of([1, 2, 8])); left > 0; left--) changed = change(changed, random);
  return changed;
}

function change(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + random.below(random.of([2, 16, 256])));
  const part = bytes.subarray(at, to);
  switch (random.below(9)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = random.of(edges);
      return bytes;
    case 2:
      if (at < bytes.length) bytes[at] = random.below(256);
      return bytes;
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.of(words), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), random.of(words), bytes.subarray(to)]);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    case 6:
      return Buffer.concat([bytes.subarray(0, to), ...Array.from({ length: 1 + random.below(20) }, () => part), bytes.subarray(to)]);
    case 7: {
      const elsewhere = random.below(bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, elsewhere), part, bytes.subarray(elsewhere)]);
    }
    default:
      return random.below(4) === 0 ? bytes.subarray(0, at) : replaceNumber(bytes, random);
  }
}

/** Another number in the place of one that stands there: lengths, sizes, dimensions, values. */
function replaceNumber(bytes: Buffer, random: Random): Buffer {
  const numbers = [...bytes.toString('latin1').matchAll(/\d+/g)];
  if (numbers.length === 0) return bytes;
  const { index, 0: found } = random.of(numbers);
  const others = [
    '0',
    '1',
    '2',
    '-1',
    '4294967295',
    '4294967296',
    '9223372036854775807',
    '1e308',
    '0.1',
    `${found}0`,
    String(Number(found) + 1),
  ];
  return Buffer.concat([bytes.subarray(0, index), Buffer.from(random.of(others)), bytes.subarray(index + found.length)]);
}
