/**
 * Decimal numbers of JSON as doubles, correctly rounded, without making text of them: most numbers of a request have 16 or
 * 17 digits, for which the engine's own conversion is slow.
 *
 * Up to 18 digits make an exact sum of two doubles, which is divided by an exact power of ten in twice the precision of a
 * double (products by splitting, T. J. Dekker 1971). What that leaves open, numbers too near to the middle between two
 * doubles, and what has more digits or larger exponents than it can carry, goes to the engine's conversion.
 */

const maxExactPower = 22;
const powers = Float64Array.from({ length: maxExactPower + 1 }, (_, exponent) => Number(`1e${exponent}`));
/** Each power as a sum of two numbers of half a double's digits. */
const upperHalves = powers.map(upperHalf);
const lowerHalves = powers.map((power) => power - upperHalf(power));
/** Digits that one 32-bit integer holds. */
const chunk = 9;
/** Digits whose number is exact in one double. */
const exactDigits = 15;
/** Relative error of the quotient, generously: it is of the order of 2^-100. */
const doubt = 2 ** -80;

/** The number of the digits `first` and, after them, `second` with its `secondDigits`, divided by `10^places`; NaN when it is not certain. */
function divided(digits: { first: number; second: number; secondDigits: number }, places: number): number {
  // 9 digits times 10^9 have at most 51 significant bits, so this is exact, and what the sum of both loses too.
  const upper = digits.first * powers[digits.secondDigits]!;
  const high = upper + digits.second;
  const low = digits.second - (high - upper);
  if (places === 0) return certain(high, low);
  const divisor = powers[places]!;
  const quotient = high / divisor;
  const product = quotient * divisor;
  const quotientUpper = upperHalf(quotient);
  const quotientLower = quotient - quotientUpper;
  const divisorUpper = upperHalves[places]!;
  const divisorLower = lowerHalves[places]!;
  const lost =
    quotientLower * divisorLower - (product - quotientUpper * divisorUpper - quotientLower * divisorUpper - quotientUpper * divisorLower);
  return certain(quotient, (high - product - lost + low) / divisor);
}

function upperHalf(value: number): number {
  const spread = value * (2 ** 27 + 1);
  return spread - (spread - value);
}

/** The double nearest to `high + low`, NaN when the error of the sum could tip it to either side. */
function certain(high: number, low: number): number {
  const error = high * doubt;
  const least = high + (low - error);
  return least === high + (low + error) ? least : Number.NaN;
}

/** Reads the numbers of a JSON text from its bytes. `at` is where the last number ended. */
export class NumberReader {
  at = 0;
  readonly #digits = { first: 0, second: 0, secondDigits: 0 };

  /**
   * The number that begins at `from`; NaN when there is none of JSON's form, or it is not finite. What comes after it, at
   * `at`, is for the caller to look at.
   */
  read(bytes: Uint8Array, from: number): number {
    let i = from;
    const isNegative = bytes[i] === minus;
    if (isNegative) i++;
    const begin = i;
    let first = 0;
    let second = 0;
    // Zeros before the first other digit do not count.
    let count = 0;
    let digit = (bytes[i] ?? 0) - zero;
    while (digit >= 0 && digit <= 9) {
      if (count < chunk) first = (first * 10 + digit) | 0;
      else if (count < 2 * chunk) second = (second * 10 + digit) | 0;
      if ((count | digit) !== 0) count++;
      digit = (bytes[++i] ?? 0) - zero;
    }
    // JSON has no number without a digit before the point, and none with a needless zero.
    if (i === begin || (bytes[begin] === zero && i > begin + 1)) return Number.NaN;
    let places = 0;
    if (digit === point - zero) {
      const start = ++i;
      digit = (bytes[i] ?? 0) - zero;
      while (digit >= 0 && digit <= 9) {
        if (count < chunk) first = (first * 10 + digit) | 0;
        else if (count < 2 * chunk) second = (second * 10 + digit) | 0;
        if ((count | digit) !== 0) count++;
        digit = (bytes[++i] ?? 0) - zero;
      }
      places = i - start;
      if (places === 0) return Number.NaN;
    }
    let isPlain = places <= maxExactPower && count <= 2 * chunk;
    if (digit === smallE - zero || digit === largeE - zero) {
      isPlain = false;
      i = endOfExponent(bytes, i + 1);
      if (i < 0) return Number.NaN;
    }
    this.at = i;
    if (isPlain) {
      if (count <= chunk) return signed(first / powers[places]!, isNegative);
      const secondDigits = count - chunk;
      if (count <= exactDigits) return signed((first * powers[secondDigits]! + second) / powers[places]!, isNegative);
      this.#digits.first = first;
      this.#digits.second = second;
      this.#digits.secondDigits = secondDigits;
      const value = divided(this.#digits, places);
      if (value === value) return signed(value, isNegative);
    }
    const exact = Number(Buffer.from(bytes.buffer, bytes.byteOffset + from, i - from).toString('latin1'));
    return Number.isFinite(exact) ? exact : Number.NaN;
  }
}

/** Index after the digits of an exponent that begins, sign and all, at `from`; -1 when it has none. */
function endOfExponent(bytes: Uint8Array, from: number): number {
  let i = bytes[from] === minus || bytes[from] === plus ? from + 1 : from;
  const start = i;
  while (bytes[i]! >= zero && bytes[i]! <= nine) i++;
  return i === start ? -1 : i;
}

function signed(value: number, isNegative: boolean): number {
  return isNegative ? -value : value;
}

const minus = 0x2d;
const plus = 0x2b;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;
const smallE = 0x65;
const largeE = 0x45;
