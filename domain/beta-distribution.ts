const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** Natural logarithm of the gamma function for x > 0 (Lanczos, g = 7, nine terms; relative error about 1e-15). */
export function logGamma(x: number): number {
  const shifted = x - 1;
  const base = shifted + 7.5;
  let sum: number = lanczos[0];
  for (let term = 1; term < lanczos.length; term += 1) sum += (lanczos[term] ?? 0) / (shifted + term);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/**
 * Regularized incomplete beta function I_x(a, b): the distribution function of Beta(a, b) at x. Continued fraction of
 * DLMF 8.17.22 by Lentz's method, on the side where it converges fast (8.17.4). NaN outside 0 <= x <= 1, a > 0, b > 0.
 */
export function betaCdf(x: number, a: number, b: number): number {
  if (!(x >= 0 && x <= 1 && a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b))) return NaN;
  if (x === 0 || x === 1) return x;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaCdf(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  return Math.min(1, front * continuedFraction(x, a, b));
}

/** Quantile of Beta(a, b): the x with I_x(a, b) = p, by bisection to the precision of a double. NaN where p, a or b is none. */
export function betaQuantile(p: number, a: number, b: number): number {
  if (!(p >= 0 && p <= 1 && a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b))) return NaN;
  if (p === 0 || p === 1) return p;
  let low = 0;
  let high = 1;
  for (let step = 0; step < 400; step += 1) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    if (betaCdf(middle, a, b) < p) low = middle;
    else high = middle;
    if (high - low <= 1e-15 * high) break;
  }
  return low + (high - low) / 2;
}

function continuedFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let result = d;
  for (let m = 1; m < 100_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + even / c;
    if (Math.abs(c) < tiny) c = tiny;
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = 1 + odd / c;
    if (Math.abs(c) < tiny) c = tiny;
    const change = d * c;
    result *= change;
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return result;
}
