import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { SignalDefinition } from '@temporalio/common';
import { workflowIds } from '../contracts/ids.js';
import {
  approveSignal,
  decideUpdate,
  type DecideAnswer,
  type LifecycleInput,
  lifecycleStatusQuery,
  pauseSignal,
  pauseUpdate,
  promoteVersionUpdate,
  rejectSignal,
  resumeSignal,
  resumeUpdate,
  retrainSignal,
  retrainUpdate,
  rollbackSignal,
  rollbackUpdate,
  rolloutClosedSignal,
  runEndedSignal,
  runPhaseSignal,
} from '../contracts/lifecycle.js';
import type { CommandAnswer } from '../contracts/rollout.js';
import type { Decision } from '../domain/approval.js';
import { promptly, registry } from './activity-proxies.js';
import { bySignal } from './lifecycle-signals.js';
import { LifecycleDesk } from './lifecycle-desk.js';
import { rollBack, setPaused } from './lifecycle-commands.js';
import { freshState, type MutableState, upgradeState } from './lifecycle-state.js';
import { checkCommand, checkDecision, checkPromote, checkRetrain } from './message-shapes.js';
import { reasonOf } from './step-log.js';

/** Well below the 2,000 updates that a run of a workflow may take. */
const messagesBeforeContinueAsNew = 1_500;

/**
 * The one long-lived workflow of a model: takes triggers and commands, starts runs and rollouts one at a time, and
 * answers `status`. Rebuilt from the registry when it was lost; continues as new with its whole state.
 */
export async function modelLifecycle(input: LifecycleInput): Promise<void> {
  const state: MutableState = input.state === undefined ? freshState() : upgradeState(input.state);
  const desk = new LifecycleDesk(input, state);
  let ready = false;
  let messages = 0;

  /** Handlers may run before the state is rebuilt; they wait for it. */
  const afterReady = async <T>(handle: () => Promise<T>): Promise<T> => {
    messages += 1;
    await condition(() => ready);
    return await handle();
  };

  const decide = async (decision: Decision, through: typeof promptly | typeof registry): Promise<DecideAnswer> => {
    const answer = await through.decide({ model: input.model, decision });
    if (answer.kind === 'settled') await desk.approvalSettled(answer.version, answer.status, `${decision.by}: ${decision.reason}`);
    return answer;
  };

  setHandler(lifecycleStatusQuery, () => ({ model: input.model, clock: input.clock, state }));
  setHandler(
    retrainUpdate,
    (request) =>
      answered(
        () => afterReady(() => desk.accept(request)),
        (reason) => ({ kind: 'refused' as const, reason }),
      ),
    { validator: checkRetrain },
  );
  setHandler(
    decideUpdate,
    (decision) =>
      answered(
        () => afterReady(() => decide(decision, promptly)),
        (reason) => ({ kind: 'refused' as const, reason }),
      ),
    { validator: checkDecision },
  );
  setHandler(rollbackUpdate, (request) => answered(() => afterReady(() => rollBack(input.model, state, request)), refusal), {
    validator: checkCommand,
  });
  setHandler(
    pauseUpdate,
    (request) => answered(() => afterReady(() => setPaused(input.model, state, { ...request, paused: true })), refusal),
    {
      validator: checkCommand,
    },
  );
  setHandler(
    resumeUpdate,
    (request) => answered(() => afterReady(() => setPaused(input.model, state, { ...request, paused: false })), refusal),
    {
      validator: checkCommand,
    },
  );
  setHandler(
    promoteVersionUpdate,
    (request) =>
      answered(
        () =>
          afterReady(async (): Promise<CommandAnswer> => {
            if (state.rollout !== null)
              return { accepted: false, reason: `version ${state.rollout.version} is rolling out; abort it first or wait for its end` };
            await promptly.planRollout({ model: input.model, version: request.version, requestedBy: request.by });
            desk.queueRolloutOf(request.version, request.by);
            return {
              accepted: true,
              message: `version ${request.version} goes through its rollout: ${workflowIds.rollout(input.model, request.version)}`,
            };
          }),
        refusal,
      ),
    { validator: checkPromote },
  );
  // The same by signal, for plain `temporal workflow signal`.
  const command = <T>(signal: SignalDefinition<[T]>, check: (payload: T) => void, carryOut: (payload: T) => Promise<string | null>): void =>
    setHandler(signal, (payload) => afterReady(() => bySignal(desk, { action: signal.name, payload, check, carryOut })));
  const reasonAgainst = (answer: CommandAnswer): string | null => (answer.accepted ? null : answer.reason);
  // What is refused of these two is in the audit already.
  command(retrainSignal, checkRetrain, async (request) => {
    await desk.accept(request);
    return null;
  });
  for (const [signal, kind] of [
    [approveSignal, 'approve'],
    [rejectSignal, 'reject'],
  ] as const)
    command(
      signal,
      (given) => checkDecision({ ...given, decision: kind }),
      async (given) => {
        await decide({ ...given, decision: kind }, registry);
        return null;
      },
    );
  command(rollbackSignal, checkCommand, async (request) => reasonAgainst(await rollBack(input.model, state, request)));
  command(pauseSignal, checkCommand, async (request) => reasonAgainst(await setPaused(input.model, state, { ...request, paused: true })));
  command(resumeSignal, checkCommand, async (request) => reasonAgainst(await setPaused(input.model, state, { ...request, paused: false })));
  setHandler(runPhaseSignal, (phase) => afterReady(async () => desk.runPhase(phase)));
  setHandler(runEndedSignal, (result) => afterReady(async () => desk.runEnded(result)));
  setHandler(rolloutClosedSignal, (result) => afterReady(async () => desk.rolloutClosed(result)));

  if (input.state === undefined) await rebuild(input.model, state);
  await desk.reconcile();
  ready = true;

  const enough = input.messagesBeforeContinueAsNew ?? messagesBeforeContinueAsNew;
  const due = () => messages >= enough || workflowInfo().continueAsNewSuggested;
  while (!due()) {
    await condition(() => desk.hasWork() || due());
    await desk.work();
  }
  await condition(() => allHandlersFinished() && desk.tasks.length === 0);
  await continueAsNew<typeof modelLifecycle>({ ...input, state });
}

async function rebuild(model: string, state: MutableState): Promise<void> {
  const record = await registry.loadLifecycle({ model });
  state.runCount = record.runCount;
  state.lastRunAsOfMs = record.lastRunAsOfMs;
  state.paused = record.paused;
  state.active = record.active.map(({ run, asOfMs, trigger, phase, version }) => ({
    run,
    asOfMs,
    trigger,
    phase,
    workflowId: workflowIds.retrain(model, run),
    ...(version === null ? {} : { version }),
  }));
  state.rollout = record.rollout === null ? null : { ...record.rollout, workflowId: workflowIds.rollout(model, record.rollout.version) };
  const waiting = record.active.findLast((run) => run.phase === 'awaitingRollout' && run.version !== null);
  if (waiting?.version != null) state.waitingRollout = { version: waiting.version, run: waiting.run, requestedBy: waiting.requestedBy };
}

/** An update that could not be carried out answers with the reason; throwing would fail it without one. */
async function answered<T>(work: () => Promise<T>, refused: (reason: string) => T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ActivityFailure || error instanceof ApplicationFailure) return refused(reasonOf(error));
    throw error;
  }
}

const refusal = (reason: string): CommandAnswer => ({ accepted: false, reason });
