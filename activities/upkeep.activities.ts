import { Context } from '@temporalio/activity';
import type { UpkeepActivities } from '../contracts/activities.js';
import { captureRetentionMs, usualRetentionDays } from '../domain/capture-retention.js';
import type { ModelDefinition } from '../domain/model-definition.js';
import { heartbeating, type Beating } from './heartbeating.js';
import type { CaptureFileUpkeep, CaptureUpkeep, LatencyUpkeep } from './upkeep-ports.js';

export type UpkeepDependencies = {
  readonly latencies: LatencyUpkeep;
  readonly captures: CaptureUpkeep;
  readonly files: CaptureFileUpkeep;
  /** The active definitions of all models. */
  readonly definitions: () => Promise<readonly ModelDefinition[]>;
  /** Wall time: how long what is stored is kept is people's time. */
  readonly nowMs: () => number;
};

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Ages by the wall clock at which sketches are merged: a rollout that has just ended still has its minutes. */
const hoursAfterMs = 48 * hourMs;
const daysAfterMs = 14 * dayMs;
/** More than a year, so that a month can be compared with the same one of the year before. */
const sketchesKeptMs = 400 * dayMs;
/** Longest rest after a portion; it rests as long as it worked, so that gateways come before it in Postgres. */
const longestRestMs = 500;

/** Keeps what grows by the hour from growing without end. */
export function createUpkeepActivities({ latencies, captures, files, definitions, nowMs }: UpkeepDependencies): UpkeepActivities {
  return {
    rollUpLatencies: () =>
      heartbeating(async (beating) => {
        const startedMs = nowMs();
        const report = counting({ minutes: 0, hours: 0, days: 0, forgotten: 0 }, beating);
        await inPortions(beating, async () => {
          const { merged, made } = await latencies.rollUp({ into: 'hour', openedBeforeMs: startedMs - hoursAfterMs });
          report.add({ minutes: merged, hours: made });
          return merged;
        });
        await inPortions(beating, async () => {
          const { merged, made } = await latencies.rollUp({ into: 'day', openedBeforeMs: startedMs - daysAfterMs });
          report.add({ days: made });
          return merged;
        });
        await inPortions(beating, async () => {
          const forgotten = await latencies.forgetBefore(startedMs - sketchesKeptMs);
          report.add({ forgotten });
          return forgotten;
        });
        return report.told('latency sketches merged');
      }),

    forgetCaptures: () =>
      heartbeating(async (beating) => {
        const kept = await retentions();
        const reports = [];
        for (const model of await captures.models()) {
          const retentionMs = kept.get(model) ?? usualRetentionDays * dayMs;
          const beforeMs = await endOfRetention(model, retentionMs);
          const report = counting({ model, retentionDays: retentionMs / dayMs, captures: 0, labels: 0 }, beating);
          await inPortions(beating, async () => {
            const forgotten = await captures.forgetCaptures(model, beforeMs);
            report.add({ captures: forgotten });
            return forgotten;
          });
          await inPortions(beating, async () => {
            const forgotten = await captures.forgetLabels(model, beforeMs);
            report.add({ labels: forgotten });
            return forgotten;
          });
          const told = report.told('old captures removed');
          if (told.captures + told.labels > 0) reports.push(told);
        }
        return reports;
      }),

    removeCaptureFiles: () =>
      heartbeating(async (beating) => {
        const reports = [];
        for (const [model, retentionMs] of await retentions()) {
          const beforeMs = await endOfRetention(model, retentionMs);
          const report = counting({ model, retentionDays: retentionMs / dayMs, files: 0 }, beating);
          await inPortions(beating, async () => {
            const removed = await files.removeBefore(model, beforeMs);
            report.add({ files: removed });
            return removed;
          });
          const told = report.told('old files of captures removed');
          if (told.files > 0) reports.push(told);
        }
        return reports;
      }),
  };

  async function retentions(): Promise<Map<string, number>> {
    return new Map((await definitions()).map((definition) => [definition.name, captureRetentionMs(definition)]));
  }

  /** What was made before goes; never what a running rollout, however long it takes, is judged by. */
  async function endOfRetention(model: string, retentionMs: number): Promise<number> {
    return Math.min(nowMs() - retentionMs, (await captures.neededFromMs(model)) ?? Infinity);
  }
}

/** Does a portion after the other until there is none, with a rest in between in which it can be cancelled. */
async function inPortions({ sleep }: Beating, portion: () => Promise<number>): Promise<void> {
  for (;;) {
    const startedMs = performance.now();
    if ((await portion()) === 0) return;
    await sleep(Math.min(longestRestMs, performance.now() - startedMs));
  }
}

/** Counts that are told with each heartbeat, and in the worker's log at the end where there is anything to tell. */
function counting<T extends Readonly<Record<string, string | number>>>(counts: T, { beat }: Beating) {
  let now = counts;
  let any = false;
  return {
    add(more: Partial<Record<keyof T, number>>): void {
      for (const [name, count] of Object.entries(more) as [keyof T, number][]) {
        if (count === 0) continue;
        any = true;
        now = { ...now, [name]: (now[name] as number) + count };
      }
      beat(now);
    },
    told(message: string): T {
      if (any) Context.current().log.info(message, now);
      return now;
    },
  };
}
