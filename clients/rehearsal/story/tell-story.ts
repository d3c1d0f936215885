import { setTimeout as delay } from 'node:timers/promises';
import type { RunResult } from '../../../contracts/retrain.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import { backfill } from '../../../schedules/backfill.js';
import { reconcileSchedules } from '../../../schedules/reconcile.js';
import { rehearsalPlan } from '../rehearsal-plan.js';
import type { RehearsalResult, RunLine } from '../rehearsal-record.js';
import { errorText } from '../view/replay-line.js';
import { followRun } from './follow-run.js';
import { endOfReplay, startReplay } from './replay.js';
import { nextVersion } from './next-version.js';
import { chapter, type Teller, unlessInterrupted } from './teller.js';

const slotFiredWithinMs = 60_000;

/**
 * The first lifecycle of a model on real data. Each chapter looks at how far the world is already, so that an interrupted
 * story goes on. Nothing in it is scripted but the times: what the data says decides.
 */
export async function tellStory(teller: Teller, elapsed: () => { setupSeconds: number; seconds: number }): Promise<RehearsalResult> {
  const first = await firstVersion(teller);
  const runs = [first];
  if (first.outcome === 'promoted') {
    await week(teller);
    await moveOn(teller);
    chapter(
      teller,
      `3  As of ${formatTime(rehearsalPlan.slotMs)}: the slot of the ${rehearsalPlan.schedule} schedule makes the next version`,
    );
    const run = teller.record.told.second ?? (await slotRun(teller));
    teller.record.note({ second: run });
    runs.push(await nextVersion(teller, run));
  }
  const { aliases } = await teller.client.status(teller.definition.name);
  const { setupSeconds } = elapsed();
  const result: RehearsalResult = {
    model: teller.definition.name,
    runs: runs.map(runLine),
    champion: aliases.champion ?? null,
    setupSeconds,
    seconds: elapsed().seconds,
  };
  teller.record.note({ result });
  return result;
}

async function firstVersion(teller: Teller): Promise<RunResult> {
  const { client, definition, record, stack } = teller;
  const model = definition.name;
  chapter(teller, `1  As of ${formatTime(rehearsalPlan.firstAsOfMs)}: the first version`);
  const { clock } = await client.api.clock(model);
  if (clock.kind === 'live') {
    await client.api.putClock(model, { nowMs: rehearsalPlan.firstAsOfMs });
    await reconcile(teller);
  }
  const run = record.told.first ?? (await started(teller, stack.person.name));
  record.note({ first: run });
  return await followRun(teller, run);
}

async function started({ client, definition }: Teller, by: string): Promise<string> {
  const answer = await client.commands.retrain(definition.name, {
    reason: 'rehearsal: the first version',
    by,
    asOf: rehearsalPlan.firstAsOfMs,
    trigger: 'rehearsal',
    requestId: 'rehearsal:first',
  });
  if (answer.kind !== 'refused') return answer.run;
  throw new PerennialError('Conflict', `The first run was refused: ${answer.reason}. Begin a new world: npm start -- --fresh.`);
}

async function week(teller: Teller): Promise<void> {
  const { client, definition, options, screen, style } = teller;
  const { nowMs } = await client.api.clock(definition.name);
  if (nowMs >= rehearsalPlan.weekEndMs) return;
  chapter(
    teller,
    `2  ${formatTime(nowMs)} to ${formatTime(rehearsalPlan.weekEndMs)}: each hour asked for by ${options.callers} callers, its outcome posted back`,
  );
  const replay = startReplay(teller, rehearsalPlan.weekEndMs);
  screen.show(() => replay.line.block(screen.turning, true));
  try {
    const end = await endOfReplay(teller, replay);
    screen.show(null);
    const failed = end.failed === 0 ? 'none failed' : style.bad(`${end.failed} failed`);
    screen.say(
      `${style.good('✓')} ${end.hours} hours, ${end.requests} requests, ${failed}, ${end.labels} labels; ${end.errors.map(errorText).join(', ')}`,
    );
  } finally {
    screen.show(null);
  }
}

async function moveOn(teller: Teller): Promise<void> {
  const { client, definition, screen } = teller;
  const { nowMs } = await client.api.clock(definition.name);
  if (nowMs >= rehearsalPlan.slotMs) return;
  await client.api.putClock(definition.name, { fromMs: nowMs, nowMs: rehearsalPlan.slotMs });
  screen.say(`Model time moves on from ${formatTime(nowMs)} to ${formatTime(rehearsalPlan.slotMs)}, without requests.`);
}

/** Fires the slot through the schedule itself and waits until its run is there. */
async function slotRun(teller: Teller): Promise<string> {
  const { client, definition, screen, signal } = teller;
  const found = async () => (await client.api.runs({ model: definition.name })).find(({ asOfMs }) => asOfMs === rehearsalPlan.slotMs)?.run;
  const known = await found();
  if (known !== undefined) return known;
  await reconcile(teller);
  await backfill(client.temporal.schedule, {
    definition,
    fromMs: rehearsalPlan.slotMs,
    toMs: rehearsalPlan.slotMs,
    schedule: rehearsalPlan.schedule,
  });
  screen.show(() => ({ lines: [`${screen.turning} the schedule fires its slot`], plain: '… the schedule fires its slot' }));
  try {
    for (const end = performance.now() + slotFiredWithinMs; performance.now() < end; await unlessInterrupted(signal, delay(150))) {
      const run = await found();
      if (run !== undefined) return run;
    }
  } finally {
    screen.show(null);
  }
  throw new PerennialError(
    'Unavailable',
    `The slot ${formatTime(rehearsalPlan.slotMs)} of schedule ${rehearsalPlan.schedule} was fired, but no run began within ${slotFiredWithinMs / 1000} s. Look at trigger:${definition.name} in the Temporal Web UI, then start again.`,
  );
}

/** A model on a driven clock has its schedule paused, and this model is on one since this moment. */
async function reconcile({ client }: Teller): Promise<void> {
  const models = await client.api.models();
  const definitions = await Promise.all(models.map(async ({ model }) => (await client.api.model(model)).definition));
  await reconcileSchedules({ client: client.temporal.schedule, definitions, clockOf: client.api.clockOf });
}

function runLine({ run, version, outcome, reason, metrics, gates, seconds }: RunResult): RunLine {
  return { run, version, outcome, reason, metrics, gates, seconds };
}
