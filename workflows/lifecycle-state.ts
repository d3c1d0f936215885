import type { LifecycleState, RetrainAnswer } from '../contracts/lifecycle.js';

/** Answers kept for repeats of a request; older ones are forgotten. */
const remembered = 200;

export type MutableState = { -readonly [Key in keyof LifecycleState]: LifecycleState[Key] };
export type ActiveRun = LifecycleState['active'][number];
export type ActiveRollout = NonNullable<LifecycleState['rollout']>;
export type QueuedRun = LifecycleState['queue'][number];

export function freshState(): MutableState {
  return {
    stateVersion: 1,
    paused: null,
    runCount: 0,
    active: [],
    queue: [],
    rollout: null,
    waitingRollout: null,
    lastRunAsOfMs: null,
    lastResult: null,
    answered: [],
  };
}

/** Brings a state that an older release carried through continue-as-new to today's shape. */
export function upgradeState(state: LifecycleState): MutableState {
  if (state.stateVersion !== 1)
    throw new Error(`state version ${String(state.stateVersion)} is newer than this worker; deploy the newer worker`);
  return { ...state };
}

/** `2011-10-01t00-3`: the as-of time and a counter; safe in workflow ids, job names and folders. */
export function runName(asOfMs: number, number: number): string {
  return `${new Date(asOfMs).toISOString().slice(0, 13).toLowerCase()}-${number}`;
}

export function rememberAnswer(state: MutableState, requestId: string | undefined, answer: RetrainAnswer): void {
  if (requestId === undefined) return;
  state.answered = [...state.answered, { requestId, answer }].slice(-remembered);
}

export function trainingRun(state: LifecycleState): ActiveRun | undefined {
  return state.active.find((run) => run.phase === 'training');
}

export function changeRun(state: MutableState, run: string, change: Partial<ActiveRun>): void {
  state.active = state.active.map((active) => (active.run === run ? { ...active, ...change } : active));
}

export function dropRun(state: MutableState, run: string): void {
  state.active = state.active.filter((active) => active.run !== run);
}

/** Runs whose candidate waits for a decision or for its rollout, and is older than `run`: a newer approved one supersedes them. */
export function supersededBy(state: LifecycleState, run: string): readonly ActiveRun[] {
  const newer = state.active.findIndex((active) => active.run === run);
  return state.active.filter(
    (active, index) => index < newer && (active.phase === 'awaitingApproval' || active.phase === 'awaitingRollout'),
  );
}
