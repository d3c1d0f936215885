import { afterAll, beforeAll, expect, test } from 'vitest';
import { scheduleId } from '../../contracts/ids.js';
import type { ScheduleDefinition } from '../../domain/model-definition.js';
import { backfill } from '../../schedules/backfill.js';
import { schedulesOf } from '../../schedules/model-schedules.js';
import { reconcileFromRegistry } from '../../schedules/reconcile.js';
import { openStack, type Stack } from '../clients/stack.js';
import { tensorsDefinition } from '../support/imported-definitions.js';
import { until } from '../workflows/waiting.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
});
afterAll(() => stack?.close());

const schedule = (name: string): ScheduleDefinition => ({ name, cron: '0 2 * * *', overlap: 'skip', catchUpWindowMs: 600_000 });
const reconcile = () => reconcileFromRegistry(stack.client.schedule, stack.registry);
const listed = async (model: string) => {
  const ids: string[] = [];
  for await (const { scheduleId: id } of stack.client.schedule.list()) if (id.startsWith(`schedule:${model}:`)) ids.push(id);
  return ids.toSorted();
};

test('a model that becomes an imported one loses its schedules, and gets them back when it is trained again', async () => {
  const trained = await stack.publish({ retraining: { schedules: [schedule('daily'), schedule('weekly')], coolDownMs: 0 } });
  const { name } = trained;
  const ids = [scheduleId(name, 'daily'), scheduleId(name, 'weekly')];
  await reconcile();
  await until(async () => (await listed(name)).length === 2);

  const imported = { ...tensorsDefinition, name };
  expect(schedulesOf(imported, { kind: 'live' })).toEqual([]);
  await stack.registry.publish([imported], { by: 'ann', reason: 'a test' });
  const changes = (await reconcile()).filter(({ id }) => ids.includes(id));
  expect(changes.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(ids.map((id) => ({ id, change: 'removed' })));
  await until(async () => (await listed(name)).length === 0);

  await expect(backfill(stack.client.schedule, { definition: imported, fromMs: 0, toMs: 1 })).rejects.toThrow(
    new RegExp(`^${name} has no schedule: it has none`),
  );
  const { code, stderr } = await stack.cli(['schedules', 'backfill', name, '--from', '2026-11-01', '--to', '2026-11-02']);
  expect(code).toBe(1);
  expect(stderr).toContain(`The versions of ${name} are imported: there is no data here`);

  await stack.registry.publish([trained], { by: 'ann', reason: 'a test' });
  expect((await reconcile()).filter(({ id, change }) => ids.includes(id) && change === 'created')).toHaveLength(2);
});

test('a slot that was under way when the model became an imported one is refused with the reason', async () => {
  const { name } = await stack.publish({ retraining: { schedules: [schedule('daily')], coolDownMs: 0 } });
  await reconcile();
  await stack.registry.publish([{ ...tensorsDefinition, name }], { by: 'ann', reason: 'a test' });
  const handle = stack.client.schedule.getHandle(scheduleId(name, 'daily'));
  await handle.trigger();
  await until(async () => (await handle.describe()).info.recentActions.length === 1);
  const client = await stack.connect();
  const refused = async () => (await client.api.audit({ model: name })).find(({ action }) => action === 'retrain');
  await until(async () => (await refused()) !== undefined);
  expect(await refused()).toMatchObject({
    outcome: 'refused',
    by: 'schedule daily',
    reason: `the versions of ${name} are imported, not trained here: bring a file with ./perennial import ${name} model.onnx`,
  });
  await client.close();
  expect(await stack.registry.runs({ model: name })).toEqual([]);
});
