/** The lower quartile of some runs of the same: what one takes when nothing else wants the core. */
export function quietRun(runsMs: readonly number[]): number {
  return runsMs.toSorted((a, b) => a - b)[Math.floor(runsMs.length / 4)]!;
}
