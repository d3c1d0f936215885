import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  log as workflowLog,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { RetrainInput, RunResult } from '../contracts/retrain.js';
import type { RolloutResult } from '../contracts/rollout.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import type { RunOutcome } from '../domain/outcome.js';
import { choosePlan } from '../domain/rollout-plans.js';
import { isImported } from '../domain/model-definition.js';
import { registry } from './activity-proxies.js';
import type { Candidate } from './candidate.js';
import { importCandidate } from './imported-candidate.js';
import { wallNow } from './clock.js';
import { RunMessages } from './run-messages.js';
import { reasonOf, StepLog } from './step-log.js';
import { trainCandidate } from './trained-candidate.js';

type Ending = { readonly outcome: RunOutcome; readonly reason: string; readonly rollout: RolloutResult | null };

/**
 * One run of one model: data and training (or a file that was made elsewhere), evaluation, gates, registration, approval, rollout. A refused gate, a rejection,
 * an expiry or a rollback is a result; only a technical failure fails the workflow, and it too leaves its record.
 */
export async function retrain(input: RetrainInput): Promise<RunResult> {
  const log = new StepLog(input);
  const messages = new RunMessages(input);
  let candidate: Candidate | null = null;

  const close = async (ending: Ending): Promise<RunResult> => {
    const result: RunResult = {
      run: input.run,
      model: input.model,
      version: candidate?.version ?? null,
      metrics: candidate?.evidence.candidate ?? [],
      championMetrics: candidate?.evidence.champion?.metrics ?? [],
      candidateMetrics: candidate?.evidence.champion?.candidateMetrics ?? [],
      gates: candidate?.gates ?? [],
      package: candidate?.package ?? null,
      ...ending,
      steps: log.steps,
      seconds: Math.round((wallNow() - log.startedAtMs) / 100) / 10,
    };
    await registry.endRun(result);
    await messages.tellEnd(result);
    await condition(allHandlersFinished);
    return result;
  };

  let ending: Ending;
  try {
    candidate = await buildCandidate(input, log);
    ending = await decideCandidate(input, candidate, { log, messages });
  } catch (error) {
    const reason = isCancellation(error) ? 'cancelled' : reasonOf(error);
    workflowLog.error('run failed', { run: input.run, reason });
    await CancellationScope.nonCancellable(() => close({ outcome: 'failed', reason, rollout: null }));
    throw error;
  }
  // What was decided stands: neither a late cancellation nor a failure to tell it makes it a failed run.
  return await CancellationScope.nonCancellable(() => close(ending));
}

async function decideCandidate(
  input: RetrainInput,
  candidate: Candidate,
  { log, messages }: { log: StepLog; messages: RunMessages },
): Promise<Ending> {
  upsertSearchAttributes([{ key: searchAttributes.modelVersion, value: candidate.version }]);
  if (candidate.refused !== null) return { outcome: 'gateRefused', reason: candidate.refused, rollout: null };
  const approval = await awaitApproval(input, candidate, { log, messages });
  if (approval.outcome !== 'approved') return { outcome: approval.outcome, reason: approval.reason, rollout: null };
  return await rollOut(candidate, { log, messages });
}

async function buildCandidate(input: RetrainInput, log: StepLog): Promise<Candidate> {
  const plan = await log.step('begin', async () => {
    const value = await registry.beginRun(input);
    return { value, detail: value.champion === null ? 'no champion yet' : `champion is ${value.champion.version}` };
  });
  const { definition } = plan.published;
  if (!isImported(definition) && input.imported !== undefined)
    throw ApplicationFailure.nonRetryable(`${input.model} is trained here by its definition now; no file of it is imported`, 'Conflict');
  return isImported(definition)
    ? await importCandidate(input, { plan, definition }, log)
    : await trainCandidate(input, { plan, definition }, log);
}

type ApprovalEnding = { readonly outcome: 'approved' | 'rejected' | 'expired' | 'superseded'; readonly reason: string };

async function awaitApproval(
  input: RetrainInput,
  candidate: Candidate,
  { log, messages }: { log: StepLog; messages: RunMessages },
): Promise<ApprovalEnding> {
  const { definition } = candidate.plan.published;
  return await log.step('approval', async () => {
    // The lifecycle must know the version before anybody is asked: a decision that came first would reach no run.
    await messages.tellPhase('awaitingApproval', candidate.version);
    const asked = await registry.requestApproval({
      model: input.model,
      version: candidate.version,
      run: input.run,
      risk: candidate.risk.risk,
      riskReason: candidate.risk.reason,
      requestedBy: input.requestedBy,
      plan: choosePlan({
        named: definition.rollout.plan,
        risk: candidate.risk.risk,
        endpointKind: definition.serving.endpointKind,
        hasChampion: candidate.plan.champion !== null,
      }),
      gates: candidate.gates,
      metrics: candidate.evidence.candidate,
      championMetrics: candidate.evidence.champion?.metrics ?? [],
      candidateMetrics: candidate.evidence.champion?.candidateMetrics ?? [],
      expiresAfterMs: definition.approval.expiresAfterMs,
      // Of a file from elsewhere nobody has measured how good it is: a person decides, also where nothing is live yet.
      firstVersion: candidate.plan.champion === null && candidate.evidence.candidate.length > 0,
    });
    const ending =
      asked.settled === 'approved' ? { outcome: 'approved' as const, reason: asked.reason } : await decision(input, candidate, messages);
    return { value: ending, detail: `${ending.outcome}: ${ending.reason}`, refused: ending.outcome !== 'approved' };
  });
}

async function decision(input: RetrainInput, candidate: Candidate, messages: RunMessages): Promise<ApprovalEnding> {
  const { version } = candidate;
  const { expiresAfterMs } = candidate.plan.published.definition.approval;
  const settled = await messages.approval(expiresAfterMs);
  if (settled !== null) {
    const { status, reason } = settled;
    // A newer version may have come while this one's approval was being asked for; the request must not stay open.
    if (status === 'superseded') await registry.settleApproval({ model: input.model, version, status, reason });
    return { outcome: status, reason };
  }
  const reason = `nobody decided within ${Math.round(expiresAfterMs / 3_600_000)} hours`;
  // A decision may have been written in the same moment; the registry's row says which came first.
  const { status } = await registry.settleApproval({ model: input.model, version, status: 'expired', reason });
  return status === 'approved' || status === 'rejected'
    ? { outcome: status, reason: 'decided in the last moment' }
    : { outcome: 'expired', reason };
}

async function rollOut(candidate: Candidate, { log, messages }: { log: StepLog; messages: RunMessages }): Promise<Ending> {
  return await log.step('rollout', async () => {
    await messages.tellPhase('awaitingRollout', candidate.version);
    const rollout = await messages.rollout();
    const ending: Ending = { outcome: rollout.outcome === 'aborted' ? 'rolledBack' : rollout.outcome, reason: rollout.reason, rollout };
    return { value: ending, detail: `${rollout.outcome}: ${rollout.reason}`, refused: rollout.outcome !== 'promoted' };
  });
}
