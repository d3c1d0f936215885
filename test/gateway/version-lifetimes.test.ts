import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { HostedVersion } from '../../gateway/models/hosted-version.js';
import { ModelMemory } from '../../gateway/models/model-memory.js';
import type { Placement } from '../../gateway/models/placement.js';
import { echoRunner } from './support/echo-runner.js';
import { loadInThreads } from '../../gateway/models/thread-pool.js';
import { directPlan } from '../../gateway/plans/direct-plan.js';
import { GatewayMetrics } from '../../gateway/watching/metrics.js';
import { get, pairs, post } from './support/requests.js';
import { identity, openStage } from './support/stage.js';

const stage = await openStage();
const bytes = 1_024;

/** Versions whose models are nothing, in a memory of so many of them. */
function house(room: number, metrics = new GatewayMetrics()) {
  const unloads: string[] = [];
  const memory = new ModelMemory({
    budgetBytes: room * bytes,
    devices: [],
    idleUnloadMs: 0,
    roleOf: () => 'live',
    onUnload: ({ model }, why) => void unloads.push(`${model} ${why}`),
  });
  const spec = { ...identity, model: 'm' };
  const tensor = { name: 'x', type: 'float32', shape: [-1, 1] };
  const plan = directPlan(spec, { inputs: [tensor], outputs: [{ ...tensor, name: 'y' }] });
  const cost = { loadMs: 1, runMs: 1, rowMs: 0, bestRows: 1, bytes, peakBytes: bytes };
  const placed: Placement = { where: 'thread', threads: 1, lanes: 1, maxRows: 1, bytes, device: null, because: 'a test says so' };
  const version = (model: string, open = () => Promise.resolve(echoRunner)): HostedVersion =>
    new HostedVersion(
      {
        servable: { model, version: '1.0.0', package: { digest: model, files: [] } },
        origin: 'registry',
        spec,
        plan,
        cost,
        engine: 'onnxRuntime',
        placed,
      },
      {
        metrics: metrics.version(model, '1.0.0'),
        memory,
        config: { maxWaiting: 10, coldWaitMs: 10_000, maxWaitingForLoad: 10 },
        open,
      },
    );
  return { memory, metrics, version, unloads };
}

const asked = { mayEvict: 'any', mayExceed: false } as const;

it('a version that is known keeps its figures however many others were unloaded, and however often', async () => {
  const { version, metrics } = house(1);
  const versions: HostedVersion[] = [];
  for (let i = 0; i < 300; i++) {
    versions.push(version(`model-${i}`));
    expect(await versions[i]!.load(asked)).toBe(true);
  }
  const first = versions[0]!;
  await first.load(asked);
  first.metrics.answered(1, 5, performance.now());
  expect(metrics.versions.find(({ model }) => model === 'model-0')?.rows).toBe(1);
  for (const hosted of versions) hosted.retire();
  await Promise.all(versions.map(({ closed }) => closed));
  for (let i = 0; i < 300; i++) version(`later-${i}`);
  expect(metrics.versions.filter(({ model }) => model.startsWith('model-')).length).toBeLessThanOrEqual(200);
});

it('is counted once as unloaded, whoever wants its room', async () => {
  const { version, unloads } = house(1);
  const [old, one, other] = [version('old'), version('one'), version('other')];
  await old.load(asked);
  await Promise.all([one.load(asked), other.load(asked).then(() => undefined)]);
  expect(unloads.filter((line) => line === 'old evicted')).toHaveLength(1);
});

it('waits for no room any more when it is retired', async () => {
  const { version, memory } = house(1);
  let loaded: () => void = () => undefined;
  const loading = version('loading', () => new Promise((_, reject) => (loaded = () => reject(new Error('it does not load')))));
  const late = version('late');
  const first = loading.load(asked).catch(() => false);
  const second = late.load(asked);
  await new Promise((resolve) => setImmediate(resolve));
  late.retire();
  // What is being loaded goes on, and says nothing meanwhile.
  await late.closed;
  expect(await second).toBe(false);
  expect(memory.deviceOf(late)).toBeNull();
  loaded();
  expect(await first).toBe(false);
});

it('is released although a run of it never ends', async () => {
  const program = `${stage.folder}/endless-thread.mjs`;
  await writeFile(
    program,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
     parentPort.postMessage({ kind: 'ready', inputs: [], outputs: [] });`,
  );
  const runner = await loadInThreads({ read: () => Promise.resolve(new Uint8Array(8)), program, limitMs: 10_000, runLimitMs: 100 }, 1);
  const run = runner.run({}).catch((error: Error) => error.message);
  await runner.release();
  expect(await run).toBe('a run took longer than 100 ms');
});

it('that a person loaded and that could not come back once comes back when there is room', async () => {
  const model = 'tight';
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  await stage.addVersion({ model, version: '0.9.0', onnx: 'linear-plus-1000' });
  const gateway = await stage.start({ folder: `${stage.folder}/tight`, idleUnloadMs: 1, coldWaitMs: 200 });
  const load = () => post<{ error?: string }>(`${gateway.url}/v2/repository/models/${model}/versions/0.9.0/load`, '');
  const state = async () =>
    (await post<{ version: string; state: string }[]>(`${gateway.url}/v2/repository/index`, {})).body.find(
      ({ version }) => version === '0.9.0',
    )?.state;
  expect((await load()).status).toBe(200);
  while ((await state()) !== 'UNAVAILABLE') await new Promise((resolve) => setTimeout(resolve, 50));
  const places = [join(stage.folder, 'objects'), join(stage.folder, 'tight', 'packages')];
  for (const place of places) await rename(place, `${place}-away`);
  expect((await load()).body.error).toContain('failed to load');
  for (const place of places) {
    await rm(place, { recursive: true, force: true });
    await rename(`${place}-away`, place);
  }
  while ((await load()).status !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
  const answer = await post(`${gateway.url}/v2/models/${model}/versions/0.9.0/infer`, pairs([[1, 2]]));
  expect(answer.body.outputs[0]!.data).toEqual([1021]);
  expect((await get(`${gateway.url}/v2/health/live`)).status).toBe(200);
  await gateway.stop();
});
