import { checkErrorRate, checkErrorRatio } from './error-rate-check.js';
import { formatCount, formatDuration, formatNumber } from './format.js';
import { pairedT, type IntervalMethod } from './interval-method.js';
import { checkLatency, checkLatencyRatio } from './latency-check.js';
import { checkQuality, meanError, noErrors, pairedErrors, type PairedErrors } from './quality-check.js';
import type { RolloutLimits, RolloutStep } from './rollout-plan.js';
import type { CheckResult, Measurements, StepEvidence, StepVerdict } from './rollout-verdict.js';

export type StepLook = {
  readonly step: RolloutStep;
  readonly limits: RolloutLimits;
  readonly measurements: Measurements;
  /** Model time since the step began. */
  readonly elapsedMs: number;
  /** How the quality difference gets its interval; the paired t at 95% when absent. */
  readonly intervalMethod?: IntervalMethod;
};

/**
 * Judges one look at a shadow or canary step. Any failed check fails the step at once; it passes only when its interval
 * is over and no check fails or holds; else it holds. A check `notShown` neither holds nor counts as passed. What is
 * NaN, absent or too little holds. In a shadow step the challenger's latencies and errors are those of the shadow calls.
 *
 * Smoke and promote steps have no traffic of their own to judge (a smoke step is judged by its smoke test): they hold.
 */
export function judgeStep(look: StepLook): StepVerdict {
  const { step, limits, measurements, elapsedMs, intervalMethod = pairedT(0.95) } = look;
  if (step.kind === 'smoke' || step.kind === 'promote') {
    return { outcome: 'hold', checks: [], reason: `a ${step.kind} step has no live measurements to be judged by` };
  }
  const { champion, challenger } = measurements;
  const intervalOver = elapsedMs >= step.intervalMs;
  const latencies = { champion, challenger, limits, intervalOver };
  const checks: CheckResult[] = [
    checkRequests(challenger.requests, limits.minRequests),
    checkLatency(latencies),
    checkLatencyRatio(latencies),
    checkErrorRate({ challenger, limits }),
    checkErrorRatio({ champion, challenger, limits }),
    checkQuality({
      errors: errorsOf(look),
      limits,
      maxLoss: step.maxLoss,
      method: intervalMethod,
      hasChampion: champion !== null,
    }),
  ];
  return conclude({ checks, intervalOver, waiting: `${formatDuration(elapsedMs)} of ${formatDuration(step.intervalMs)} are over` });
}

/** A look with all that goes on record: the verdict, both variants' figures, and their mean errors over the pairs that count. */
export function lookAtStep(look: StepLook): StepEvidence {
  const { step, limits, measurements } = look;
  const errors = errorsOf(look);
  return {
    step,
    limits,
    verdict: judgeStep(look),
    champion: measurements.champion,
    challenger: measurements.challenger,
    pairs: errors.champion.length,
    championError: meanError(errors.champion),
    challengerError: meanError(errors.challenger),
    fromMs: measurements.fromMs,
    toMs: measurements.toMs,
  };
}

function errorsOf({ limits, measurements }: Pick<StepLook, 'limits' | 'measurements'>): PairedErrors {
  return limits.quality === undefined ? noErrors : pairedErrors(measurements.pairs, limits.quality);
}

function checkRequests(requests: number, minRequests: number): CheckResult {
  const least = Math.max(1, minRequests);
  const enough = Number.isFinite(requests) && requests >= least;
  return {
    check: 'requests',
    outcome: enough ? 'passed' : 'hold',
    measured: Number.isFinite(requests) ? requests : null,
    limit: minRequests,
    count: Number.isFinite(requests) ? requests : 0,
    reason: `${formatCount(requests, 'request')} to the challenger; at least ${formatNumber(least)}`,
  };
}

function conclude({
  checks,
  intervalOver,
  waiting,
}: {
  checks: readonly CheckResult[];
  intervalOver: boolean;
  waiting: string;
}): StepVerdict {
  const tell = (outcome: CheckResult['outcome']) =>
    checks.filter((check) => check.outcome === outcome).map((check) => `${checkNames[check.check]}: ${check.reason}`);
  const failed = tell('failed');
  if (failed.length > 0) return { outcome: 'fail', checks, reason: failed.join('; ') };
  const holding = tell('hold');
  if (holding.length > 0) return { outcome: 'hold', checks, reason: holding.join('; ') };
  if (!intervalOver) return { outcome: 'hold', checks, reason: `nothing is wrong so far; ${waiting}` };
  const passed = checks.filter((check) => check.outcome === 'passed').map((check) => checkNames[check.check]);
  const notShown = checks.filter((check) => check.outcome === 'notShown').map((check) => checkNames[check.check]);
  return {
    outcome: 'pass',
    checks,
    reason: `${passed.join(', ')} passed${notShown.length === 0 ? '' : `; not shown: ${notShown.join(', ')}`}`,
  };
}

/** What people call the checks. */
export const checkNames: Readonly<Record<CheckResult['check'], string>> = {
  requests: 'requests',
  latency: 'latency',
  latencyRatio: 'latency against the champion',
  errorRate: 'error rate',
  errorRatio: 'errors against the champion',
  quality: 'quality',
  smoke: 'smoke test',
};
