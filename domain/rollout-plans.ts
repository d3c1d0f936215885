import type { Risk } from './model-definition.js';
import type { RolloutPlan, RolloutPlanName, RolloutStep } from './rollout-plan.js';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** Largest loss that a first, small share may still hide (24 labelled hours tell no better), and the one before 100%. */
const firstLoss = 0.4;
const lastLoss = 0.15;

const shadow = (intervalMs: number): RolloutStep => ({
  kind: 'shadow',
  name: 'shadow',
  intervalMs,
  deadlineMs: 4 * day,
  maxLoss: firstLoss,
});

const canary = (percent: number, step: { intervalMs: number; deadlineMs: number; maxLoss: number }): RolloutStep => ({
  kind: 'canary',
  name: `canary ${percent}%`,
  share: percent / 100,
  ...step,
});

const smoke = (name: string): RolloutStep => ({ kind: 'smoke', name });
const promote = (name = 'promote'): RolloutStep => ({ kind: 'promote', name });

const fastCanary: readonly RolloutStep[] = [
  canary(5, { intervalMs: hour, deadlineMs: 4 * day, maxLoss: firstLoss }),
  canary(10, { intervalMs: 30 * minute, deadlineMs: 5 * day, maxLoss: 0.3 }),
  canary(25, { intervalMs: 30 * minute, deadlineMs: 7 * day, maxLoss: 0.2 }),
  canary(50, { intervalMs: 30 * minute, deadlineMs: 10 * day, maxLoss: lastLoss }),
  promote(),
];

/**
 * The named plans. Intervals are the times of the profiles; deadlines
 * leave room for the labels that each `maxLoss` takes: an interval of paired errors is about +-22-30% after 24 hours,
 * +-13-17% after 72, +-8-11% after a week.
 *
 * `shadow-then-canary` is what high risk gets, hence its soak of 24 hours. `blue-green` and `direct` have no labelled
 * step and no soak: what they rest on is the smoke test, the gates and a person.
 */
export const rolloutPlans: Readonly<Record<RolloutPlanName, RolloutPlan>> = {
  fast: { name: 'fast', version: 1, soakMs: 2.5 * hour, steps: fastCanary },
  standard: {
    name: 'standard',
    version: 1,
    soakMs: day,
    steps: [
      canary(5, { intervalMs: 6 * hour, deadlineMs: 4 * day, maxLoss: firstLoss }),
      canary(20, { intervalMs: 12 * hour, deadlineMs: 7 * day, maxLoss: 0.25 }),
      canary(50, { intervalMs: day, deadlineMs: 10 * day, maxLoss: lastLoss }),
      promote(),
    ],
  },
  slow: {
    name: 'slow',
    version: 1,
    soakMs: day,
    steps: [
      canary(5, { intervalMs: day, deadlineMs: 5 * day, maxLoss: firstLoss }),
      canary(10, { intervalMs: 2 * day, deadlineMs: 7 * day, maxLoss: 0.3 }),
      canary(25, { intervalMs: 2 * day, deadlineMs: 8 * day, maxLoss: 0.2 }),
      canary(50, { intervalMs: 3 * day, deadlineMs: 10 * day, maxLoss: lastLoss }),
      promote(),
    ],
  },
  'shadow-then-canary': { name: 'shadow-then-canary', version: 1, soakMs: day, steps: [shadow(hour), ...fastCanary] },
  'blue-green': {
    name: 'blue-green',
    version: 1,
    soakMs: 0,
    steps: [smoke('smoke test before the switch'), promote('switch'), smoke('smoke test after the switch')],
  },
  direct: { name: 'direct', version: 1, soakMs: 0, steps: [smoke('smoke test'), promote()] },
};

/** Least soak of a high-risk candidate, whatever plan it takes. */
export const highRiskSoakMs = day;

/** What the choice of a plan looks at. */
export type PlanChoice = {
  readonly named: RolloutPlanName | undefined;
  readonly risk: Risk;
  readonly endpointKind: 'realtime' | 'batch';
  readonly hasChampion: boolean;
};

/**
 * The plan of a rollout, chosen in this order:
 * 1. nothing is live: `direct`, also when a plan is named, for there is nothing to compare with. Low and limited risk go
 *    live so by themselves; a high-risk first version takes every named approver's yes before (approval-rules.ts);
 * 2. high risk: shadow first, then canary, with 24 hours of soak at least. A named canary plan keeps its own times and
 *    gets the shadow step in front; `blue-green` and `direct` give way to `shadow-then-canary`;
 * 3. the plan that the definition names;
 * 4. batch endpoints: `shadow-then-canary`; real-time ones: canary, `fast` for low and `standard` for limited risk.
 *    No retrained model goes straight to live, not even at low risk, so it is
 *    blue-green only when the definition names it.
 */
export function choosePlan({ named, risk, endpointKind, hasChampion }: PlanChoice): RolloutPlan {
  if (!hasChampion) return rolloutPlans.direct;
  if (risk === 'high') return highRiskPlan(named);
  if (named !== undefined) return rolloutPlans[named];
  if (endpointKind === 'batch') return rolloutPlans['shadow-then-canary'];
  return risk === 'low' ? rolloutPlans.fast : rolloutPlans.standard;
}

function highRiskPlan(named: RolloutPlanName | undefined): RolloutPlan {
  if (named === undefined || named === 'blue-green' || named === 'direct') return rolloutPlans['shadow-then-canary'];
  const plan = rolloutPlans[named];
  const steps = plan.steps[0]?.kind === 'shadow' ? plan.steps : [shadow(hour), ...plan.steps];
  return { ...plan, steps, soakMs: Math.max(plan.soakMs, highRiskSoakMs) };
}

/** Where traffic goes: the challenger's share of the answers in [0, 1], and whether it gets a copy of every request. */
export type Traffic = { readonly share: number; readonly shadow: boolean };

/**
 * Traffic while a step runs. Shadow: no share, a copy of every request; canary: its share; promote: everything; a smoke
 * test leaves what the step before it made. Throws `RangeError` on an index outside the plan.
 */
export function trafficOf(plan: RolloutPlan, stepIndex: number): Traffic {
  const step = plan.steps[stepIndex];
  if (step === undefined) throw new RangeError(`plan ${plan.name} has steps 0 to ${plan.steps.length - 1}, not ${stepIndex}`);
  switch (step.kind) {
    case 'shadow':
      return { share: 0, shadow: true };
    case 'canary':
      return { share: step.share, shadow: false };
    case 'promote':
      return { share: 1, shadow: false };
    case 'smoke':
      return stepIndex === 0 ? { share: 0, shadow: false } : trafficOf(plan, stepIndex - 1);
  }
}

/** Model time of the soak that is left `elapsedMs` after the first live or shadowed request; 0 when it is over. What is no time counts as none. */
export function soakRemainingMs(plan: Pick<RolloutPlan, 'soakMs'>, elapsedMs: number): number {
  return elapsedMs > 0 ? Math.max(0, plan.soakMs - elapsedMs) : plan.soakMs;
}
