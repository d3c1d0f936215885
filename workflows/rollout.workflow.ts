import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { workflowIds } from '../contracts/ids.js';
import { rolloutClosedSignal } from '../contracts/lifecycle.js';
import {
  type RolloutInput,
  type RolloutOutcome,
  type RolloutResult,
  type RolloutStatus,
  rolloutStatusQuery,
} from '../contracts/rollout.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import { trafficOf } from '../domain/rollout-plans.js';
import type { StepEvidence } from '../domain/rollout-verdict.js';
import { gateways, serving } from './activity-proxies.js';
import { modelClock } from './clock.js';
import { RolloutCommands } from './rollout-commands.js';
import { applyTraffic, smokeStep, watchTraffic } from './rollout-steps.js';
import { signalQuietly } from './signal-quietly.js';
import { reasonOf } from './step-log.js';

type Ending = { readonly outcome: RolloutOutcome; readonly reason: string };

/**
 * Takes one approved version through its plan: each step puts a share of the traffic on it, looks at live measurements
 * of both variants, and goes on, holds, or takes everything back at once. A breach opens an investigation.
 */
export async function rollout(input: RolloutInput): Promise<RolloutResult> {
  const commands = new RolloutCommands(input);
  const evidence: StepEvidence[] = [];
  const status = { stepIndex: 0, outcome: 'running' as RolloutStatus['outcome'] };
  setHandler(rolloutStatusQuery, () => statusOf(input, status, evidence));

  const close = async (ending: Ending): Promise<RolloutResult> => {
    commands.over = true;
    status.outcome = ending.outcome;
    const result: RolloutResult = {
      model: input.model,
      version: input.version,
      promotionId: input.promotionId,
      ...ending,
      steps: evidence,
    };
    await serving.endRollout(result);
    await signalQuietly(() => getExternalWorkflowHandle(workflowIds.model(input.model)).signal(rolloutClosedSignal, result));
    await condition(allHandlersFinished);
    return result;
  };

  let ending: Ending;
  try {
    await serving.beginRollout(input);
    ending = await climb(input, { commands, evidence, status });
  } catch (error) {
    // Whatever went wrong, traffic goes back first; only then is it told.
    ending = await CancellationScope.nonCancellable(() => endAfter(input, error));
  }
  // Outside of the catch: a promotion must not be taken back because its end could not be told.
  return await CancellationScope.nonCancellable(() => close(ending));
}

async function endAfter(input: RolloutInput, error: unknown): Promise<Ending> {
  const reason = isCancellation(error) ? 'aborted from outside' : reasonOf(error);
  if (endedMeanwhile(error)) return { outcome: 'aborted', reason };
  await takeBack(input, { reason, by: 'perennial', investigate: !isCancellation(error) });
  return { outcome: isCancellation(error) ? 'aborted' : failedByVersion(error) ? 'rolledBack' : 'failed', reason };
}

type Progress = { commands: RolloutCommands; evidence: StepEvidence[]; status: { stepIndex: number; outcome: RolloutStatus['outcome'] } };

async function climb(input: RolloutInput, { commands, evidence, status }: Progress): Promise<Ending> {
  const clock = modelClock(input.clock);
  const rolloutStartMs = await clock.now();
  let promoted = false;
  for (const [stepIndex, step] of input.plan.steps.entries()) {
    status.stepIndex = stepIndex;
    upsertSearchAttributes([{ key: searchAttributes.stage, value: step.name }]);
    if (step.kind === 'promote') {
      await promote(input, { by: input.requestedBy, reason: `every step of plan ${input.plan.name} passed` });
      promoted = true;
      continue;
    }
    // A smoke test after the switch finds the version live already; the route stays as the promotion left it.
    if (!promoted) await applyTraffic(input, stepIndex, trafficOf(input.plan, stepIndex));
    const seen =
      step.kind === 'smoke'
        ? await smokeStep(input, step, await clock.now())
        : await watchTraffic(input, { step, stepIndex, rolloutStartMs }, { clock, commands });
    if (seen !== null) {
      evidence.push(seen);
      await serving.recordRolloutStep({ promotionId: input.promotionId, stepIndex, evidence: seen });
      if (seen.verdict.outcome !== 'pass') return await fail(input, seen, promoted);
    }
    const { abort, promote: now } = commands.taken();
    if (abort !== null) {
      const { by, reason } = abort;
      await takeBack(input, { reason, by, investigate: false });
      return { outcome: 'aborted', reason: `aborted by ${by}: ${reason}` };
    }
    if (now !== null && !promoted) {
      await promote(input, now);
      return { outcome: 'promoted', reason: `promoted by ${now.by} during step ${step.name}: ${now.reason}` };
    }
  }
  return { outcome: 'promoted', reason: `every step of plan ${input.plan.name} passed` };
}

async function promote(input: RolloutInput, { by, reason }: { by: string; reason: string }): Promise<void> {
  const { model, version, champion, promotionId } = input;
  const { generation } = await serving.promote({ model, version, champion, promotionId, by, reason });
  try {
    await gateways.awaitRoute({ model, generation });
  } catch (error) {
    if (isCancellation(error)) throw error;
    // The registry has promoted; a gateway that is away follows when it is back. Taking it back now would undo a decision.
    log.warn('promoted, but not every gateway follows yet', { model, version, reason: reasonOf(error) });
  }
}

async function fail(input: RolloutInput, seen: StepEvidence, alreadyLive: boolean): Promise<Ending> {
  const held = seen.verdict.outcome === 'hold';
  const reason = held
    ? `step ${seen.step.name} held until its deadline: ${seen.verdict.reason}`
    : `step ${seen.step.name} failed: ${seen.verdict.reason}`;
  if (alreadyLive && input.champion !== null) {
    await serving.rollback({ model: input.model, by: 'perennial', reason, requestId: `${input.promotionId}:after` });
  } else {
    await takeBack(input, { reason, by: 'perennial', investigate: !held });
  }
  return { outcome: 'rolledBack', reason };
}

async function takeBack(input: RolloutInput, why: { reason: string; by: string; investigate: boolean }): Promise<void> {
  await serving.takeBack({ model: input.model, version: input.version, champion: input.champion, promotionId: input.promotionId, ...why });
}

/** The registry closed this rollout first: a rollback by a person, or a newer one. There is nothing left to take back. */
function endedMeanwhile(error: unknown): boolean {
  return causeType(error) === 'Conflict';
}

/** The version itself was at fault (its package does not verify or load), not the machinery. */
function failedByVersion(error: unknown): boolean {
  return causeType(error) === 'ArtifactRejected' || causeType(error) === 'NotApproved';
}

function causeType(error: unknown): string | null | undefined {
  return error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause.type : undefined;
}

function statusOf(input: RolloutInput, { stepIndex, outcome }: Progress['status'], evidence: readonly StepEvidence[]): RolloutStatus {
  return {
    model: input.model,
    version: input.version,
    champion: input.champion,
    plan: input.plan.name,
    stepIndex,
    stepName: input.plan.steps[stepIndex]?.name ?? 'done',
    share: trafficOf(input.plan, stepIndex).share,
    evidence,
    outcome,
  };
}
