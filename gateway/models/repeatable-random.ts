/** Numbers from 0 to below 1 that look random and are the same each time (the generator of Numerical Recipes). */
export function repeatableRandom(): () => number {
  let state = 1;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
