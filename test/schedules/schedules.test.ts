import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { scheduleId } from '../../contracts/ids.js';
import type { ScheduleDefinition } from '../../domain/model-definition.js';
import { backfill } from '../../schedules/backfill.js';
import { drivenNote } from '../../schedules/model-schedules.js';
import { reconcileFromRegistry } from '../../schedules/reconcile.js';
import { openStack, type Stack } from '../clients/stack.js';
import { until } from '../workflows/waiting.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
});
afterAll(() => stack?.close());

const daily: ScheduleDefinition = { name: 'daily', cron: '0 2 * * *', overlap: 'skip', catchUpWindowMs: 600_000, note: 'at night' };
const retraining = (...schedules: ScheduleDefinition[]) => ({ retraining: { schedules, coolDownMs: 12 * 3_600_000 } });
const reconcile = () => reconcileFromRegistry(stack.client.schedule, stack.registry);
const changeOf = async (id: string) => (await reconcile()).find((change) => change.id === id)?.change;
const listed = async () => {
  const ids: string[] = [];
  for await (const { scheduleId: id } of stack.client.schedule.list()) ids.push(id);
  return ids;
};

describe('schedules', () => {
  test('are created from definitions with every policy said aloud, and left alone when they are as wanted', async () => {
    const { name } = await stack.publish(retraining(daily));
    const id = scheduleId(name, 'daily');
    expect(await changeOf(id)).toBe('created');
    expect(await changeOf(id)).toBe('unchanged');
    const { policies, state, action, info } = await stack.client.schedule.getHandle(id).describe();
    expect(policies).toEqual({ overlap: 'SKIP', catchupWindow: 600_000, pauseOnFailure: true });
    expect(state).toMatchObject({ paused: false, note: 'at night' });
    expect(action).toMatchObject({ workflowType: 'trigger', taskQueue: 'lifecycle', workflowId: `trigger:${name}:daily` });
    expect(action.args).toMatchObject([{ model: name, trigger: 'schedule', clock: { kind: 'live' } }]);
    const [next] = info.nextActionTimes;
    expect([next?.getUTCHours(), next?.getUTCMinutes()]).toEqual([2, 0]);
  });

  test('are changed with their definition, and keep the pause of a person', async () => {
    const { name } = await stack.publish(retraining(daily));
    const id = scheduleId(name, 'daily');
    await reconcile();
    const handle = stack.client.schedule.getHandle(id);
    await handle.pause('ann: repairs');
    await stack.publish({ name, ...retraining({ ...daily, cron: '30 5 * * 1', overlap: 'bufferOne' }) });
    expect(await changeOf(id)).toBe('changed');
    const { policies, state, action } = await handle.describe();
    expect(policies.overlap).toBe('BUFFER_ONE');
    expect(state).toMatchObject({ paused: true, note: 'ann: repairs' });
    expect(action.memo).toMatchObject({ cron: '30 5 * * 1' });
    expect(await changeOf(id)).toBe('unchanged');
  });

  test('are removed when no definition has them; those of others stay', async () => {
    const { name } = await stack.publish(retraining(daily, { ...daily, name: 'weekly', cron: '0 3 * * 0' }));
    await reconcile();
    await stack.client.schedule.create({
      scheduleId: 'somebody-elses',
      spec: { cronExpressions: ['0 0 1 1 *'] },
      action: { type: 'startWorkflow', workflowType: 'trigger', taskQueue: 'lifecycle', args: [] },
    });
    await until(async () => (await listed()).includes('somebody-elses') && (await listed()).includes(scheduleId(name, 'weekly')));
    await stack.publish({ name, ...retraining(daily) });
    expect(await changeOf(scheduleId(name, 'weekly'))).toBe('removed');
    await until(async () => !(await listed()).includes(scheduleId(name, 'weekly')));
    expect(await listed()).toEqual(expect.arrayContaining(['somebody-elses', scheduleId(name, 'daily')]));
  });

  test('of a model on a driven clock are paused with a note saying why', async () => {
    const { name } = await stack.publish(retraining(daily));
    const handle = stack.client.schedule.getHandle(scheduleId(name, 'daily'));
    await reconcile();
    // The API brings schedules in line when a clock is made.
    const client = await stack.connect();
    await client.api.putClock(name, { nowMs: Date.UTC(2011, 9, 1) });
    await client.close();
    const { state, action } = await handle.describe();
    expect(state).toMatchObject({ paused: true, note: drivenNote });
    expect(action.args).toMatchObject([{ clock: { kind: 'driven', name } }]);
    expect(await changeOf(scheduleId(name, 'daily'))).toBe('unchanged');
  });
});

describe('a backfill', () => {
  test('runs each slot of the range with its own as-of time, one after the other, without a cool-down', async () => {
    const definition = await stack.publish({
      ...retraining(daily),
      gates: [{ kind: 'maximum', metric: 'mape', limit: 0.01, minRows: 1 }],
    });
    await reconcile();
    const { stdout, code } = await stack.cli([
      'schedules',
      'backfill',
      definition.name,
      '--from',
      '2011-11-01T02:00Z',
      '--to',
      '2011-11-03T02:00Z',
      '--json',
    ]);
    expect({ code, answer: JSON.parse(stdout) as object }).toMatchObject({
      code: 0,
      answer: { schedules: [scheduleId(definition.name, 'daily')] },
    });
    const ended = async () => (await stack.registry.runs({ model: definition.name })).filter((run) => run.outcome !== null);
    await until(async () => (await ended()).length === 3);
    const runs = (await ended()).toReversed();
    expect(runs.map(({ asOfMs, trigger, outcome }) => ({ asOfMs, trigger, outcome }))).toEqual(
      [1, 2, 3].map((day) => ({ asOfMs: Date.UTC(2011, 10, day, 2), trigger: 'backfill', outcome: 'gateRefused' })),
    );
    for (const [earlier, later] of [[runs[0], runs[1]] as const, [runs[1], runs[2]] as const])
      expect(later!.startedAtMs).toBeGreaterThanOrEqual(earlier!.endedAtMs!);
  });

  test('of a paused schedule runs too, and a slot that ran is not run again', async () => {
    const definition = await stack.publish({
      ...retraining(daily),
      gates: [{ kind: 'maximum', metric: 'mape', limit: 0.01, minRows: 1 }],
    });
    await reconcile();
    await stack.client.schedule.getHandle(scheduleId(definition.name, 'daily')).pause('ann: repairs');
    const slot = Date.UTC(2011, 10, 1, 2);
    const range = { definition, fromMs: slot, toMs: slot };
    const triggers = async () =>
      (await stack.client.schedule.getHandle(scheduleId(definition.name, 'daily')).describe()).info.numActionsTaken;
    await backfill(stack.client.schedule, range);
    await until(async () => (await triggers()) === 1 && (await stack.registry.runs({ model: definition.name }))[0]?.outcome != null);
    await backfill(stack.client.schedule, range);
    await until(async () => (await triggers()) === 2);
    await stack.client.workflow.getHandle(`trigger:${definition.name}:daily-2011-11-01T02:00:00Z`).result();
    expect(await stack.registry.runs({ model: definition.name })).toHaveLength(1);
  });

  test('of a model without schedules, or of a range that is none, says so', async () => {
    const definition = await stack.publish(retraining());
    await expect(backfill(stack.client.schedule, { definition, fromMs: 0, toMs: 1 })).rejects.toThrow(/it has none/);
    await expect(backfill(stack.client.schedule, { definition, fromMs: 60_000, toMs: 0 })).rejects.toThrow(
      'The range ends (1970-01-01 00:00 UTC) before it begins (1970-01-01 00:01 UTC).',
    );
    const { code, stderr } = await stack.cli(['schedules', 'backfill', definition.name, '--from', '2011-11-02', '--to', '2011-11-01']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/before it begins/);
  });
});

describe('the command line', () => {
  test('lists, pauses and resumes them', async () => {
    const { name } = await stack.publish(retraining(daily));
    await reconcile();
    await until(async () => (await listed()).includes(scheduleId(name, 'daily')));
    const list = async () => (JSON.parse((await stack.cli(['schedules', 'list', name, '--json'])).stdout) as object[])[0];
    expect(await list()).toMatchObject({ id: scheduleId(name, 'daily'), cron: '0 2 * * *', paused: false });
    expect((await stack.cli(['schedules', 'pause', name, '--by', 'ann', '--reason', 'repairs'])).code).toBe(0);
    expect(await list()).toMatchObject({ paused: true, note: 'Paused by ann: repairs' });
    expect((await stack.cli(['schedules', 'resume', name])).code).toBe(0);
    expect(await list()).toMatchObject({ paused: false });
    expect((await stack.cli(['schedules', 'pause', name, 'hourly'])).stderr).toMatch(/defines no schedule hourly/);
  });
});
