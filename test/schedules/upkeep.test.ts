import '../workflows/quiet-runtime.js';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUpkeepActivities } from '../../activities/upkeep.activities.js';
import { openCaptureUpkeep } from '../../adapters/captures/open-capture-upkeep.js';
import { activeDefinitions, publishDefinitions } from '../../adapters/postgres/definitions.js';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { createCaptureUpkeep } from '../../adapters/postgres/serving/capture-upkeep.js';
import { createLatencyStore } from '../../adapters/postgres/serving/latency-sketches.js';
import { createLatencyUpkeep } from '../../adapters/postgres/serving/latency-upkeep.js';
import { taskQueues } from '../../contracts/task-queues.js';
import { PerennialError } from '../../domain/errors.js';
import demandForecast from '../../models/demand-forecast.js';
import { ensureUpkeepSchedule, upkeepScheduleId } from '../../schedules/upkeep-schedule.js';
import { withWireFailures } from '../../workers/activity-failures.js';
import { openTelemetry } from '../../workers/telemetry.js';
import { run } from '../cli/run.js';
import { capture, servingWorld } from '../serving-state/world.js';
import { freshNamespace, type TestNamespace } from '../support/temporal.js';
import { freshWorkspace } from '../support/workspace.js';
import { until } from '../workflows/waiting.js';
import { workflowBundle } from '../workflows/world.js';

const world = servingWorld();
const plugin = () => openTelemetry({ service: 'test', otlpEndpoint: null });
const { home } = freshWorkspace();
const model = 'kept-forty-days';
const dayMs = 86_400_000;
const agoMs = (days: number) => Date.now() - days * dayMs;
let temporal: TestNamespace;
let client: Client;
let placeRefuses = false;
let stop: () => Promise<void>;

beforeAll(async () => {
  temporal = await freshNamespace();
  const capturing = { ...demandForecast.serving, capture: { retentionDays: 40 } };
  await publishDefinitions(world.db(), { definitions: [{ ...demandForecast, name: model, serving: capturing }], by: 'ann' });
  const connection = await Connection.connect({ address: temporal.address });
  client = new Client({ connection, namespace: temporal.namespace, plugins: [plugin()] });
  const native = await NativeConnection.connect({ address: temporal.address });
  const files = await openCaptureUpkeep({ location: join(home, 'captures') });
  const activities = createUpkeepActivities({
    latencies: createLatencyUpkeep(world.db()),
    captures: createCaptureUpkeep(world.db()),
    files: {
      async removeBefore(name, beforeMs) {
        if (placeRefuses) throw new PerennialError('Unavailable', 'the place of captures refuses', { retryable: false });
        return await files.removeBefore(name, beforeMs);
      },
    },
    definitions: () => activeDefinitions(world.db()),
    nowMs: Date.now,
  });
  const worker = await Worker.create({
    connection: native,
    namespace: temporal.namespace,
    taskQueue: taskQueues.lifecycle,
    workflowBundle: await workflowBundle(),
    activities: withWireFailures(activities),
    plugins: [plugin()],
    shutdownGraceTime: 0,
  });
  const running = worker.run();
  stop = async () => {
    worker.shutdown();
    await running;
    await native.close();
    await connection.close();
  };
});
afterAll(() => stop?.());

const nameOf = (atMs: number) => {
  const at = new Date(atMs).toISOString();
  return `${model}/champion/${at.slice(0, 10).replaceAll('-', '/')}/${at.slice(11, 13)}/${at.slice(14, 16)}-${at.slice(17, 19)}-${at.slice(20, 23)}-a.jsonl`;
};
const fileOf = (atMs: number) => join(home, 'captures', nameOf(atMs));
const ids = async () =>
  (await world.db().selectFrom('captures').select('id').where('model', '=', model).orderBy('id').execute()).map(({ id }) => id);
const spans = async () =>
  (await world.db().selectFrom('latency_sketches').select('span_minutes').where('model', '=', model).orderBy('event_minute').execute()).map(
    ({ span_minutes }) => span_minutes,
  );

/** Captures, labels, files and sketches of today and of 41 days ago. */
async function fill(): Promise<void> {
  const store = createCaptureStore(world.db());
  await store.write([
    capture({ model, version: '1.0.0', id: 'old', subject: 'old', atMs: agoMs(41) }),
    capture({ model, version: '1.0.0', id: 'young', subject: 'young', atMs: agoMs(39) }),
  ]);
  await store.label(model, [
    { id: 'old', value: 1 },
    { id: 'young', value: 2 },
  ]);
  await world
    .db()
    .updateTable('labels')
    .set({ labelled_at: new Date(agoMs(41)) })
    .where('model', '=', model)
    .execute();
  for (const days of [41, 39]) {
    mkdirSync(dirname(fileOf(agoMs(days))), { recursive: true });
    writeFileSync(fileOf(Math.floor(agoMs(days) / 60_000) * 60_000), '{}\n');
  }
  const sketch = {
    gateway: 'g',
    model,
    version: '1.0.0',
    shadow: false,
    firstMs: 0,
    lastMs: 0,
    requests: 1,
    errors: 0,
    bins: [1],
    counts: [1],
  };
  const row = (minute: number, days: number) => ({
    ...sketch,
    eventMinute: minute,
    firstMs: minute * 60_000,
    lastMs: minute * 60_000,
    openedMs: agoMs(days),
  });
  await createLatencyStore(world.db()).write([row(0, 15), row(1, 15), row(1_440, 3), row(1_441, 3), row(2_880, 1), row(4_320, 401)]);
}

describe('the upkeep', () => {
  test('has a schedule of its own, made once, with every policy said aloud', async () => {
    expect(await Promise.all([ensureUpkeepSchedule(client.schedule), ensureUpkeepSchedule(client.schedule)])).toContain('created');
    expect(await ensureUpkeepSchedule(client.schedule)).toBe('unchanged');
    const handle = client.schedule.getHandle(upkeepScheduleId);
    const { policies, action, state } = await handle.describe();
    expect(policies).toEqual({ overlap: 'SKIP', catchupWindow: 3_600_000, pauseOnFailure: false });
    expect(action).toMatchObject({ workflowType: 'upkeep', taskQueue: 'lifecycle' });
    expect(state.paused).toBe(false);
    await handle.pause('ann: repairs');
    await handle.update(({ spec, policies: kept, state: paused, action: old }) => ({
      spec,
      policies: { overlap: 'SKIP', catchupWindow: kept.catchupWindow, pauseOnFailure: true },
      state: paused,
      action: { ...old, memo: {} },
    }));
    expect(await ensureUpkeepSchedule(client.schedule)).toBe('changed');
    const changed = await handle.describe();
    expect([changed.policies.pauseOnFailure, changed.state.paused]).toEqual([false, true]);
    await handle.unpause();
  });

  test('takes away what is older than the retention of its model, and leaves the rest', async () => {
    await fill();
    const handle = client.schedule.getHandle(upkeepScheduleId);
    await handle.trigger();
    await until(async () => (await handle.describe()).info.recentActions.length > 0);
    const [action] = (await handle.describe()).info.recentActions;
    if (action?.action.type !== 'startWorkflow') throw new Error('the schedule started nothing');
    const result: unknown = await client.workflow.getHandle(action.action.workflow.workflowId).result();
    expect(result).toEqual({
      latencies: { minutes: 5, hours: 3, days: 2, forgotten: 1 },
      captures: [{ model, retentionDays: 40, captures: 1, labels: 1 }],
      files: [{ model, retentionDays: 40, files: 1 }],
    });
    expect(await ids()).toEqual(['young']);
    expect(await spans()).toEqual([1_440, 60, 1]);
    expect(
      (await world.db().selectFrom('labels').select('subject').where('model', '=', model).execute()).map(({ subject }) => subject),
    ).toEqual(['young']);
    // What features look back on stays.
    expect(await world.db().selectFrom('outcomes').select('time_ms').where('model', '=', model).execute()).toHaveLength(1);
    expect(existsSync(fileOf(Math.floor(agoMs(41) / 60_000) * 60_000))).toBe(false);
    expect(existsSync(fileOf(Math.floor(agoMs(39) / 60_000) * 60_000))).toBe(true);
  });

  const env = (more: Record<string, string> = {}) => ({
    PERENNIAL_HOME: home,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    PERENNIAL_API_URL: 'http://127.0.0.1:1',
    PERENNIAL_TOKEN: 'x'.repeat(43),
    NO_COLOR: '1',
    ...more,
  });

  test('is done by hand as well, which finds nothing twice', async () => {
    await createCaptureStore(world.db()).write([capture({ model, version: '1.0.0', id: 'older', atMs: agoMs(200) })]);
    const shown = await run(['upkeep'], { env: env() });
    expect(shown).toMatchObject({ code: 0 });
    expect(shown.stdout).toMatch(/kept-forty-days\s+40 days\s+1\s+0\s+0/);
    const again = await run(['upkeep', '--json'], { env: env() });
    expect(JSON.parse(again.stdout)).toEqual({ latencies: { minutes: 0, hours: 0, days: 0, forgotten: 0 }, captures: [], files: [] });
    expect((await run(['upkeep'], { env: env() })).stdout).toContain('No capture is older');
  });

  test('does its other parts when one fails, and says which failed and why', async () => {
    placeRefuses = true;
    await createCaptureStore(world.db()).write([capture({ model, version: '1.0.0', id: 'older', atMs: agoMs(200) })]);
    const failed = await run(['upkeep'], { env: env() });
    placeRefuses = false;
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('The upkeep is not complete. files of captures: the place of captures refuses');
    expect(await ids()).toEqual(['young']);
  });
});
