import type { RolloutActivities } from '../contracts/activities.js';
import { lookAtStep } from '../domain/rollout-judgement.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';
import type { Beating } from './heartbeating.js';
import type { Clock } from './ports.js';
import type { RolloutMeasurement, RolloutStore } from './rollout-ports.js';

type Watch = Parameters<RolloutActivities['watchStep']>[0];

export type WatchDependencies = {
  readonly store: Pick<RolloutStore, 'requireRunning' | 'recordLook'>;
  readonly measurement: RolloutMeasurement;
  readonly clock: Clock;
  /** Wall time between two looks. */
  readonly lookIntervalMs: { readonly live: number; readonly driven: number };
};

/** A look's evidence is stored at most this often; the one that ends the watch always is. */
const storeIntervalMs = 1_000;
/** Between two looks at least this many times the time that a look took: looking must not be what makes answers late. */
const restPerLook = 4;

/** Looks at a step until its verdict; see `RolloutActivities.watchStep`. `Conflict` when the rollout was ended meanwhile. */
export async function watchStep(deps: WatchDependencies, watch: Watch, { beat, sleep }: Beating): Promise<StepEvidence> {
  const { promotionId, stepIndex, until, deadlineMs } = watch;
  let evidence: StepEvidence | undefined;
  let lookedAt = '';
  let storedAtMs = -Infinity;
  for (;;) {
    const startedMs = performance.now();
    await deps.store.requireRunning(promotionId);
    const nowMs = await deps.clock.now(watch.clock);
    const { captures, labels } = await deps.measurement.counts({
      model: watch.model,
      version: watch.challenger,
      fromMs: watch.stepStartMs,
      labelsFromMs: watch.rolloutStartMs,
    });
    const state = `${nowMs} ${captures} ${labels}`;
    if (evidence === undefined || state !== lookedAt) {
      evidence = await look(deps.measurement, watch, nowMs);
      lookedAt = state;
      beat(summaryOf(watch, evidence));
    }
    const ends = endsWatch(evidence, { until, late: nowMs >= deadlineMs });
    if (ends || startedMs - storedAtMs >= storeIntervalMs) {
      await deps.store.recordLook({ promotionId, stepIndex, evidence });
      storedAtMs = startedMs;
    }
    if (ends) return evidence;
    await sleep(Math.max(deps.lookIntervalMs[watch.clock.kind], restPerLook * (performance.now() - startedMs)));
  }
}

function endsWatch({ verdict }: StepEvidence, { until, late }: { until: Watch['until']; late: boolean }): boolean {
  if (verdict.outcome === 'fail') return true;
  return until === 'verdict' && (verdict.outcome === 'pass' || late);
}

async function look(measurement: RolloutMeasurement, watch: Watch, nowMs: number): Promise<StepEvidence> {
  const { model, step, limits, champion, challenger, stepStartMs: fromMs, rolloutStartMs } = watch;
  // What is asked about the present moment counts already: on a driven clock that is the whole hour that is being fed.
  const toMs = nowMs + 1;
  const measurements = {
    fromMs,
    toMs: nowMs,
    champion: champion === null ? null : await measurement.variant({ model, version: champion, fromMs, toMs, shadow: false }),
    challenger: await measurement.variant({ model, version: challenger, fromMs, toMs, shadow: step.kind === 'shadow' }),
    // Where labels judge nothing there is nothing to look for among them.
    pairs:
      champion === null || limits.quality === undefined
        ? []
        : await measurement.pairs({ model, champion, challenger, fromMs: rolloutStartMs, toMs }),
  };
  return lookAtStep({ step, limits, measurements, elapsedMs: nowMs - fromMs });
}

/** What the terminal shows of a look: the figures of both variants and the verdict of each check, in a few kilobytes. */
function summaryOf({ model, stepIndex, until }: Watch, evidence: StepEvidence) {
  const { step, verdict, champion, challenger, pairs, championError, challengerError, toMs } = evidence;
  const checks = verdict.checks.map(({ check, outcome, measured, limit, count }) => ({ check, outcome, measured, limit, count }));
  return {
    model,
    stepIndex,
    step: step.name,
    share: step.kind === 'canary' ? step.share : 0,
    until,
    nowMs: toMs,
    champion,
    challenger,
    pairs,
    championError,
    challengerError,
    outcome: verdict.outcome,
    reason: verdict.reason.slice(0, 1_000),
    checks,
  };
}
