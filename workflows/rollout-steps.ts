import { CancellationScope } from '@temporalio/workflow';
import type { RolloutInput } from '../contracts/rollout.js';
import type { RolloutStep, RolloutPlan } from '../domain/rollout-plan.js';
import { soakRemainingMs } from '../domain/rollout-plans.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';
import { gateways, serving, watches } from './activity-proxies.js';
import type { ModelClock } from './clock.js';
import type { RolloutCommands } from './rollout-commands.js';

type TrafficStep = Extract<RolloutStep, { kind: 'shadow' | 'canary' }>;

/** Puts the share of `step` on the gateways; resolves when every gateway with a fresh lease answers by it. */
export async function applyTraffic(input: RolloutInput, stepIndex: number, traffic: { share: number; shadow: boolean }): Promise<void> {
  const { generation } = await serving.applyRoute({
    model: input.model,
    promotionId: input.promotionId,
    stepIndex,
    champion: input.champion,
    challenger: input.version,
    ...traffic,
  });
  await gateways.awaitRoute({ model: input.model, generation });
}

/** A step that sends no traffic: the package's example to that very version on every gateway. */
export async function smokeStep(input: RolloutInput, step: RolloutStep, nowMs: number): Promise<StepEvidence> {
  const verdict = await gateways.smokeTest({ model: input.model, version: input.version });
  return {
    step,
    limits: input.limits,
    verdict,
    champion: null,
    challenger: null,
    pairs: 0,
    championError: null,
    challengerError: null,
    fromMs: nowMs,
    toMs: nowMs,
  };
}

/**
 * Watches one traffic step: for its interval only a breach ends it, then the looks go on until a verdict or the
 * deadline. Ends early with the evidence so far when a person speaks (`commands`). A breach is seen within one look.
 */
export async function watchTraffic(
  input: RolloutInput,
  { step, stepIndex, rolloutStartMs }: { step: TrafficStep; stepIndex: number; rolloutStartMs: number },
  { clock, commands }: { clock: ModelClock; commands: RolloutCommands },
): Promise<StepEvidence | null> {
  const stepStartMs = await clock.now();
  const soakMs = isLastTraffic(input.plan, stepIndex) ? soakRemainingMs(input.plan, stepStartMs - rolloutStartMs) : 0;
  const intervalEndMs = stepStartMs + Math.max(step.intervalMs, soakMs);
  let deadlineMs = Math.max(stepStartMs + step.deadlineMs, intervalEndMs);
  const look = (until: 'breach' | 'verdict') =>
    watches.watchStep({
      model: input.model,
      promotionId: input.promotionId,
      stepIndex,
      step,
      limits: input.limits,
      champion: input.champion,
      challenger: input.version,
      clock: input.clock,
      rolloutStartMs,
      stepStartMs,
      deadlineMs,
      until,
    });

  const breach = await firstOf([
    () => look('breach'),
    () => clock.until(intervalEndMs).then(() => null),
    () => commands.spoken().then(() => null),
  ]);
  if (breach !== null) return breach;
  for (;;) {
    if (commands.interrupts()) return null;
    const evidence = await firstOf([() => look('verdict'), () => commands.spoken().then(() => null)]);
    if (evidence !== null) return evidence;
    // A person lets a holding step go on: it gets a fresh deadline.
    if (commands.takeResume()) deadlineMs = (await clock.now()) + step.deadlineMs;
  }
}

function isLastTraffic(plan: RolloutPlan, stepIndex: number): boolean {
  return plan.steps.slice(stepIndex + 1).every((step) => step.kind !== 'canary' && step.kind !== 'shadow');
}

/** The first to settle; the others are cancelled, so that no watch goes on behind a verdict. Fails when it is cancelled itself. */
async function firstOf<T>(starts: readonly (() => Promise<T>)[]): Promise<T> {
  const scope = new CancellationScope();
  try {
    // The race holds on to the losers too: their cancellation is no unhandled rejection.
    return await scope.run(() => Promise.race(starts.map((start) => start())));
  } finally {
    scope.cancel();
  }
}
