import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import { KeyAllowances, type Allowance, type Allowed, type SharedLimits } from '../gateway/access/shared-limits.js';
import { reasonOf } from '../gateway/log.js';
import type { OwnAnswer, SiblingAnswer, SiblingCall, Siblings } from '../gateway/siblings/siblings.js';
import { saveHandedConnections } from './handed-connections.js';
import { sayReady } from './process.js';

/** Between a process of the gateway and the one that started it; `id` pairs what is asked with what is answered. */
type Message =
  | { readonly kind: 'ready'; readonly details: Record<string, unknown> }
  | { readonly kind: 'ask'; readonly id: number; readonly call: SiblingCall }
  | { readonly kind: 'asked'; readonly id: number; readonly from: number; readonly call: SiblingCall }
  | { readonly kind: 'answer'; readonly id: number; readonly from: number; readonly answer: OwnAnswer }
  | { readonly kind: 'answers'; readonly id: number; readonly answers: readonly SiblingAnswer[] }
  | { readonly kind: 'take'; readonly id: number; readonly allowance: Allowance }
  | { readonly kind: 'taken'; readonly id: number; readonly allowed: Allowed }
  | { readonly kind: 'give'; readonly allowance: Allowance };

const indexVariable = 'PERENNIAL_GATEWAY_PROCESS';
/** Set for a process that is started again while the others serve. */
const againVariable = 'PERENNIAL_GATEWAY_PROCESS_AGAIN';
const answerLimitMs = 30_000;
const restartAfterMs = 1_000;
/** A process that ends so soon has not begun to serve. */
const soonMs = 5_000;
const maxSoonEnds = 5;

/**
 * Runs the gateway in several processes that share its ports, each with the models in its own memory: JavaScript computes on
 * one core. One that ends is started again. Resolves when all have ended after `stop`; rejects when they cannot be started.
 */
export function superviseProcesses(count: number): { run(): Promise<void>; stop(): void } {
  const members = new Map<number, Worker>();
  const asked = new Map<number, { readonly waiting: Set<number>; readonly answers: SiblingAnswer[]; done(): void }>();
  /** Those that serve now, and those that ever did. */
  const serving = new Map<number, Worker>();
  const known = new Set<number>();
  const allowances = new KeyAllowances();
  let nextAsk = 0;
  let stopping = false;
  let soonEnds = 0;
  let isSaid = false;
  let fail: (reason: Error) => void = () => undefined;
  let allEnded: () => void = () => undefined;

  const start = (index: number): void => {
    const startedMs = performance.now();
    const worker = cluster.fork({ [indexVariable]: String(index), [againVariable]: isSaid ? '1' : '0' });
    members.set(index, worker);
    saveHandedConnections(worker, () => [...serving.values()].some((other) => other !== worker && other.isConnected()));
    worker.on('message', (message: Message) => receive({ index, worker }, message));
    // What is sent to one that has just died fails; that it has, `exit` tells. Unheard, it would end this process and so all.
    worker.on('error', () => undefined);
    worker.on('exit', (code, signal) => {
      members.delete(index);
      serving.delete(index);
      for (const [id, ask] of asked) if (ask.waiting.delete(index) && ask.waiting.size === 0) settle(id);
      if (members.size === 0 && stopping) return allEnded();
      if (stopping) return;
      soonEnds = performance.now() - startedMs < soonMs ? soonEnds + 1 : 0;
      const reason = signal === null ? `code ${code}` : signal;
      if (!known.has(index) || soonEnds >= maxSoonEnds)
        return fail(new Error(`process ${index} of the gateway ended with ${reason}: the lines above say why`));
      process.stderr.write(`${JSON.stringify({ level: 'error', event: 'processEnded', process: index, reason, restartAfterMs })}\n`);
      setTimeout(() => !stopping && start(index), restartAfterMs);
    });
  };
  const settle = (id: number): void => {
    const ask = asked.get(id);
    asked.delete(id);
    ask?.done();
  };
  const receive = ({ index, worker }: { index: number; worker: Worker }, message: Message): void => {
    if (message.kind === 'ready') {
      if (members.get(index) === worker) serving.set(index, worker);
      known.add(index);
      // Said once: whoever waited for it may have gone when a process comes back.
      if (!isSaid && known.size === count) sayReady('gateway', { ...message.details, processes: count });
      isSaid ||= known.size === count;
      return;
    }
    if (message.kind === 'answer') {
      const ask = asked.get(message.id);
      ask?.answers.push({ ...message.answer, index });
      if (ask?.waiting.delete(index) === true && ask.waiting.size === 0) settle(message.id);
      return;
    }
    if (message.kind === 'take') {
      const allowed = allowances.take(message.allowance, performance.now());
      return send(worker, { kind: 'taken', id: message.id, allowed });
    }
    if (message.kind === 'give') return allowances.give(message.allowance);
    if (message.kind !== 'ask') return;
    // One that is starting cannot answer, and has nothing to tell yet.
    const others = [...serving].filter(([other]) => other !== index);
    const id = nextAsk++;
    const answers: SiblingAnswer[] = [];
    const limit = setTimeout(() => settle(id), answerLimitMs);
    const done = (): void => {
      clearTimeout(limit);
      // To whoever asked: by now there may be another process of its number.
      send(worker, { kind: 'answers', id: message.id, answers });
    };
    asked.set(id, { waiting: new Set(others.map(([other]) => other)), answers, done });
    for (const [, other] of others) send(other, { kind: 'asked', id, from: index, call: message.call });
    if (others.length === 0) settle(id);
  };

  return {
    async run() {
      const ended = new Promise<void>((resolve, reject) => {
        allEnded = resolve;
        fail = reject;
      });
      for (let index = 0; index < count; index++) start(index);
      try {
        await ended;
      } finally {
        for (const worker of members.values()) worker.process.kill('SIGTERM');
      }
    },
    stop() {
      stopping = true;
      if (members.size === 0) return allEnded();
      for (const worker of members.values()) worker.process.kill('SIGTERM');
    },
  };
}

function send(worker: Worker, message: Message): void {
  if (worker.isConnected()) worker.send(message);
}

/** The place of this process among those of the gateway; null when it is the only one. */
export type Membership = {
  readonly index: number;
  readonly siblings: Siblings;
  /** The requests of keys, counted by the process that started all. */
  readonly keyLimits: SharedLimits;
  ready(details: Record<string, unknown>): void;
};

/** Joins the other processes. `answer` is what this one answers them, once there is a gateway. */
export function joinProcesses(
  { index, isAgain }: { index: string | null; isAgain: boolean },
  answer: (call: SiblingCall) => Promise<OwnAnswer>,
): Membership | null {
  if (!cluster.isWorker || index === null) return null;
  const own = Number(index);
  const waiting = new Map<number, (answers: readonly SiblingAnswer[]) => void>();
  const taking = new Map<number, (allowed: Allowed) => void>();
  let next = 0;
  const tell = (message: Message): void => void process.send?.(message);
  const answered = async (call: SiblingCall): Promise<OwnAnswer> => {
    try {
      return await answer(call);
    } catch (error) {
      return { status: 500, contentType: 'application/json', body: JSON.stringify({ error: reasonOf(error) }) };
    }
  };
  process.on('message', (message: Message) => {
    if (message.kind === 'answers') {
      waiting.get(message.id)?.(message.answers);
      waiting.delete(message.id);
    } else if (message.kind === 'taken') {
      taking.get(message.id)?.(message.allowed);
      taking.delete(message.id);
    } else if (message.kind === 'asked') {
      void answered(message.call).then((given) => tell({ kind: 'answer', id: message.id, from: own, answer: given }));
    }
  });
  return {
    index: own,
    ready: (details) => tell({ kind: 'ready', details }),
    keyLimits: {
      take: (allowance) =>
        new Promise((resolve) => {
          const id = next++;
          taking.set(id, resolve);
          tell({ kind: 'take', id, allowance });
        }),
      give: (allowance) => tell({ kind: 'give', allowance }),
    },
    siblings: {
      index: own,
      serving: isAgain,
      ask: (call) =>
        new Promise((resolve) => {
          const id = next++;
          waiting.set(id, resolve);
          tell({ kind: 'ask', id, call });
        }),
    },
  };
}
