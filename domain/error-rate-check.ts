import { formatCount, formatNumber, formatPercent } from './format.js';
import type { RolloutLimits } from './rollout-plan.js';
import type { CheckResult, VariantMeasurement } from './rollout-verdict.js';
import { binomialUpperTail, cleanTrialsNeeded, clopperPearson } from './statistics.js';

/** Passing takes 95% confidence on its side; failing 99.9%, because a step is looked at hundreds of times. */
const passTail = 0.05;
const failTail = 0.001;
/** One error proves nothing, whatever the limit. */
const leastErrorsToFail = 2;

/**
 * The challenger's error rate against the absolute limit, by Clopper-Pearson bounds. Fails at once when errors of this
 * number are next to impossible at the limit (2 of the first 44 requests, 3 of 190, for 0.1%), passes when the upper
 * 95% bound is below the limit (2,995 clean requests for 0.1%). In between: `notShown` when the rate itself keeps the
 * limit over `minRequests`, else it holds.
 */
export function checkErrorRate({ challenger, limits }: { challenger: VariantMeasurement; limits: RolloutLimits }): CheckResult {
  const { requests, errors } = challenger;
  const limit = limits.maxErrorRate;
  const bounds = clopperPearson({ events: errors, trials: requests }, passTail);
  const shared = { check: 'errorRate', measured: bounds === null ? null : errors / requests, limit, count: requests } as const;
  if (bounds === null) return { ...shared, outcome: 'hold', reason: noCounts(requests, errors) };
  const found = { ...shared, interval: { ...bounds, level: 1 - 2 * passTail, method: 'clopper-pearson' } } as const;
  const figure = `${formatCount(errors, 'error')} in ${formatCount(requests, 'request')} (${formatPercent(errors / requests)}); limit ${formatPercent(limit)}`;
  if (errors >= leastErrorsToFail && binomialUpperTail({ events: errors, trials: requests }, limit) < failTail)
    return { ...found, outcome: 'failed', reason: figure };
  if (!(requests >= limits.minRequests))
    return { ...found, outcome: 'hold', reason: `${figure}; ${formatNumber(limits.minRequests)} requests are needed` };
  if (bounds.upper < limit) return { ...found, outcome: 'passed', reason: figure };
  if (errors / requests <= limit) {
    const needed = formatNumber(cleanTrialsNeeded(limit, passTail));
    return { ...found, outcome: 'notShown', reason: `${figure}; not shown yet: it takes ${needed} requests without an error` };
  }
  return { ...found, outcome: 'hold', reason: `${figure}; beyond it, but so few requests may do that by chance` };
}

/**
 * The challenger's error rate as a factor of the champion's over the same time: given all errors together, how many fall
 * on the challenger is binomial, so the test is exact. Fails at once when its share of them is next to impossible at
 * the factor, passes when the upper 95% bound of its share is below it, holds while the share is suspicious (less
 * likely than 5%), and is `notShown` otherwise: without a champion, or with too few errors on either side to tell.
 */
export function checkErrorRatio({
  champion,
  challenger,
  limits,
}: {
  champion: VariantMeasurement | null;
  challenger: VariantMeasurement;
  limits: RolloutLimits;
}): CheckResult {
  const factor = limits.maxErrorRatioToChampion;
  const shared = { check: 'errorRatio', measured: null, limit: factor, count: challenger.requests } as const;
  if (champion === null) return { ...shared, outcome: 'notShown', reason: 'there is no champion to compare errors with' };
  for (const one of [challenger, champion]) {
    if (clopperPearson({ events: one.errors, trials: one.requests }, passTail) === null)
      return { ...shared, outcome: 'hold', reason: noCounts(one.requests, one.errors) };
  }
  const ratio = champion.errors === 0 ? null : challenger.errors / challenger.requests / (champion.errors / champion.requests);
  const found = { ...shared, measured: ratio };
  const figure = `${formatCount(challenger.errors, 'error')} in ${formatCount(challenger.requests, 'request')} against the champion's ${formatNumber(champion.errors)} in ${formatNumber(champion.requests)}; limit ${formatNumber(factor)} times its rate`;
  const all = challenger.errors + champion.errors;
  const share = (factor * challenger.requests) / (factor * challenger.requests + champion.requests);
  const chance = binomialUpperTail({ events: challenger.errors, trials: all }, share);
  if (challenger.errors >= leastErrorsToFail && chance < failTail) return { ...found, outcome: 'failed', reason: figure };
  if (!(challenger.requests >= limits.minRequests && champion.requests >= limits.minRequests)) {
    return { ...found, outcome: 'hold', reason: `${figure}; ${formatNumber(limits.minRequests)} requests to each are needed` };
  }
  const bounds = clopperPearson({ events: challenger.errors, trials: all }, passTail);
  if (bounds !== null && bounds.upper < share) return { ...found, outcome: 'passed', reason: figure };
  if (chance >= passTail) return { ...found, outcome: 'notShown', reason: `${figure}; not shown: too few errors to compare` };
  return { ...found, outcome: 'hold', reason: `${figure}; suspicious, but so few errors may come by chance` };
}

function noCounts(requests: number, errors: number): string {
  return requests === 0 ? 'no request was counted yet' : `the counts are none: ${errors} errors in ${requests} requests`;
}
