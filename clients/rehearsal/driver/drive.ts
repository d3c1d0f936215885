import { setTimeout as delay } from 'node:timers/promises';
import { PerennialError } from '../../../domain/errors.js';
import type { TrainedDefinition } from '../../../domain/model-definition.js';
import type { DriverOrder, DriverReport, DriverTotals } from '../driver-messages.js';
import type { Answers, Callers } from './callers.js';
import type { GatewayFeedback, HourLabel } from './gateway-feedback.js';
import type { ModelTime } from './model-time.js';
import { Pace } from './pace.js';
import { type Question, requestHalves } from './questions.js';
import { RunningError } from './running-error.js';

const hourMs = 3_600_000;
const standstillLookMs = 300;

export type Drive = {
  readonly order: Pick<DriverOrder, 'untilMs' | 'speed' | 'labelDelayMs'>;
  readonly definition: TrainedDefinition;
  readonly questions: ReadonlyMap<number, Question>;
  readonly callers: Pick<Callers, 'ask'>;
  readonly feedback: Pick<GatewayFeedback, 'label' | 'flush'>;
  readonly time: Pick<ModelTime, 'now' | 'advance' | 'standstill'>;
  readonly report: (report: DriverReport) => void;
  /** Ends it after the hour at hand. */
  readonly signal: AbortSignal;
};

/**
 * Replays the past hour by hour: the label of what is over arrives, every caller asks for the hour that begins, the
 * captures are stored, and model time moves on. Hours without a row in the source pass without a question.
 */
export async function drive(drive: Drive): Promise<void> {
  const { order, definition, questions, callers, feedback, time, report, signal } = drive;
  const lastMs = Math.max(...questions.keys());
  const untilMs = Math.min(order.untilMs ?? Infinity, lastMs + hourMs);
  const pace = new Pace(order.speed);
  const errors = new RunningError(definition.rollout.limits.quality ?? { metric: 'absoluteError', floor: 0 });
  const ids = new Map<number, string>();
  const counts = { hours: 0, requests: 0, failed: 0, labels: 0 };
  const totals = (): DriverTotals => ({ ...counts, errors: errors.errors });
  let nowMs = await time.now();
  report({ kind: 'began', fromMs: nowMs, untilMs, ...expected(questions, { fromMs: nowMs, untilMs }) });

  // What the gateway could not take stays due: an outcome that is never told would be missing from every lag after it.
  const due: HourLabel[] = [];
  const labelOver = async () => {
    const timeMs = nowMs - hourMs - order.labelDelayMs;
    const over = questions.get(timeMs);
    if (over !== undefined) due.push({ timeMs, value: over.actual, predictionId: ids.get(timeMs) ?? null });
    ids.delete(timeMs);
    for (let label = due.shift(); label !== undefined; label = due.shift()) {
      try {
        await feedback.label(label);
      } catch (error) {
        if (error instanceof PerennialError && error.type === 'Unavailable') due.unshift(label);
        throw error;
      }
      errors.labelled(label.timeMs, label.value);
      counts.labels += 1;
    }
  };

  for (;;) {
    if (signal.aborted) return report({ kind: 'ended', nowMs, why: 'stopped', ...totals() });
    await tolerated(labelOver, report);
    if (nowMs >= untilMs) {
      const why = order.untilMs !== null && nowMs >= order.untilMs ? 'reached' : 'noMoreData';
      return report({ kind: 'ended', nowMs, why, ...totals() });
    }
    if (await stoodStill(drive, nowMs)) {
      pace.restart();
      continue;
    }
    const question = questions.get(nowMs);
    const answers = question === undefined ? null : await callers.ask(requestHalves(definition, question));
    if (answers !== null) {
      counts.requests += answers.asked;
      counts.failed += answers.failed;
      if (answers.predictionId !== null) ids.set(nowMs, answers.predictionId);
      errors.predicted(nowMs, means(answers));
      if (answers.firstFailure !== null) {
        report({ kind: 'trouble', message: `${answers.failed} of ${answers.asked} requests failed: ${answers.firstFailure}` });
      }
      await tolerated(() => feedback.flush(), report);
    }
    await time.advance(nowMs, nowMs + hourMs);
    nowMs += hourMs;
    counts.hours += 1;
    await pace.hourOver(signal);
    report({
      kind: 'hour',
      nowMs,
      hoursPerSecond: pace.hoursPerSecond,
      requestsPerSecond: answers === null ? 0 : answers.asked / answers.seconds,
      answeredBy: Object.fromEntries([...(answers?.byVersion ?? [])].map(([version, { count }]) => [version, count])),
      ...totals(),
    });
  }
}

/** Waits while model time must stand still; answers whether it did. */
async function stoodStill({ time, report, signal }: Drive, nowMs: number): Promise<boolean> {
  let stood = false;
  for (let told = ''; !signal.aborted; await delay(standstillLookMs, undefined, { signal }).catch(() => undefined)) {
    const why = await time.standstill();
    if (why === null) return stood;
    if (why !== told) report({ kind: 'waiting', nowMs, why });
    told = why;
    stood = true;
  }
  return true;
}

/** A gateway that is away for a moment costs an hour its evidence, not the replay its life. */
async function tolerated(work: () => Promise<void>, report: Drive['report']): Promise<void> {
  try {
    await work();
  } catch (error) {
    report({ kind: 'trouble', message: error instanceof Error ? error.message : String(error) });
  }
}

function means({ byVersion }: Answers): Map<string, number> {
  return new Map([...byVersion].map(([version, { count, sum }]) => [version, sum / count]));
}

function expected(questions: ReadonlyMap<number, Question>, { fromMs, untilMs }: { fromMs: number; untilMs: number }) {
  const hours = Math.max(0, Math.round((untilMs - fromMs) / hourMs));
  const asked = [...questions.keys()].filter((timeMs) => timeMs >= fromMs && timeMs < untilMs).length;
  return { hours, absent: hours - asked };
}
