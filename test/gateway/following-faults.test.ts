import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import type { RouteSource } from '../../activities/ports.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { RoutingTable, modelTable } from '../../gateway/routing/routing-table.js';
import type { HostedVersion } from '../../gateway/models/hosted-version.js';
import { ask, get, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';

const stage = await openStage();
afterEach(() => {
  stage.registry.away = false;
});

const residents = async (url: string): Promise<number> =>
  Number(/^gateway_models_resident (\d+)/m.exec((await get<string>(`${url}/metrics`)).body as unknown as string)![1]);

it('keeps a version that a person had loaded before its route in the last good state', async () => {
  const model = 'by-hand';
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  await stage.addVersion({ model, version: '1.1.0', onnx: 'linear-plus-1000' });
  const settings = { folder: `${stage.folder}/by-hand` };
  const first = await stage.start(settings);
  expect((await post(`${first.url}/v2/repository/models/${model}/versions/1.1.0/load`, '')).status).toBe(200);
  await stage.registry.acknowledged(stage.registry.setRoute({ model, variants: [{ version: '1.1.0', weight: 1 }] }));
  expect((await ask(first, model)).body.outputs[0]!.data).toEqual([1021]);
  await first.stop();

  stage.registry.away = true;
  const second = await stage.start(settings);
  expect((await ask(second, model)).body.outputs[0]!.data).toEqual([1021]);
  // Where its captures go.
  stage.registry.away = false;
  await second.stop();
});

it('lets go of what it loaded for a route that it cannot follow yet', async () => {
  const model = 'outcomes-away';
  const before = stage.log.length;
  let isAway = true;
  const outcomes = {
    ...stage.registry.outcomes,
    since: (of: string, change: number) =>
      isAway && of === model ? Promise.reject(new Error('the outcomes are away')) : stage.registry.outcomes.since(of, change),
  };
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  const gateway = await stage.start({ folder: `${stage.folder}/outcomes-away` }, { outcomes });
  const tries = () => stage.log.slice(before).filter(({ event, model: of }) => event === 'routeNotFollowedYet' && of === model).length;
  await until(() => tries() >= 4);
  const others = stage.registry.routes;
  isAway = false;
  await until(async () => (await ask(gateway, model)).status === 200);
  expect(await residents(gateway.url)).toBe((await others.routes()).length);
  await gateway.stop();
});

it('never puts the last good state in the place of what the registry has said meanwhile', async () => {
  const model = 'overtaken';
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  await stage.addVersion({ model, version: '1.1.0', onnx: 'linear-plus-1000' });
  const settings = { folder: `${stage.folder}/overtaken` };
  await (await stage.start(settings)).stop();
  const route = stage.registry.setRoute({ model, variants: [{ version: '1.1.0', weight: 1 }] });

  // The first look fails; the next come while the last good state is loaded, whose first trial takes long.
  let looks = 0;
  const routes: RouteSource = {
    ...stage.registry.routes,
    routes: () => (++looks === 1 ? Promise.reject(new Error('not yet')) : stage.registry.routes.routes()),
  };
  const trials = createModelTrials({ program: trialProgram() });
  let opened = 0;
  const slow: typeof trials = {
    ...trials,
    open: async (...of) => {
      if (++opened === 1) await stage.registry.acknowledged(route);
      return trials.open(...of);
    },
  };
  const gateway = await stage.start({ ...settings, loadsAtOnce: 4 }, { routes, trials: slow });
  expect((await ask(gateway, model)).body.outputs[0]!.data).toEqual([1021]);
  await gateway.stop();
  await trials.close();
});

it.each([
  ['cut off', '{"format":1,"models":[{"ro'],
  ['of another release', '{"format":9}'],
  ['wrong inside', '{"format":1,"savedAtMs":1,"models":[{"route":null,"versions":[null],"outcomes":[]}]}'],
])('says that the last good state is %s, waits for the registry, and serves when it is back', async (what, text) => {
  const model = what.replaceAll(' ', '-');
  const folder = `${stage.folder}/${model}`;
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/last-good.json`, text);
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  stage.registry.away = true;
  const before = stage.log.length;
  const gateway = await stage.start({ folder });
  const said = stage.log.slice(before).find(({ event }) => event === 'lastGoodUnreadable' || event === 'lastGoodRefused');
  expect(said).toMatchObject({ level: 'error', reason: expect.any(String) as string });
  stage.registry.away = false;
  await until(async () => (await ask(gateway, model)).status === 200);
  await gateway.stop();
});

it('keeps what it served when it stops while it looks at the routes', async () => {
  const model = 'stopped-midway';
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  const folder = `${stage.folder}/stopped-midway`;
  let hold = false;
  let go: (() => void) | null = null;
  const routes: RouteSource = {
    ...stage.registry.routes,
    routes: async () => {
      const found = await stage.registry.routes.routes();
      if (hold) await new Promise<void>((resolve) => (go = resolve));
      return found;
    },
  };
  const gateway = await stage.start({ folder }, { routes });
  hold = true;
  await until(() => go !== null);
  await gateway.stop();
  (go as (() => void) | null)?.();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const kept = JSON.parse(await readFile(`${folder}/last-good.json`, 'utf8')) as { models: { route: { model: string } }[] };
  expect(kept.models.map(({ route }) => route.model)).toContain(model);
});

it('retires a version that a person loaded while a route came to name it', () => {
  const fake = (version: string) => {
    const hosted = { model: 'm', version, retired: 0, retire: () => void hosted.retired++ };
    return hosted as typeof hosted & HostedVersion;
  };
  const tables = new RoutingTable();
  const [routed, byHand] = [fake('1.0.0'), fake('1.0.0')];
  const route = { model: 'm', generation: 1, variants: [{ version: '1.0.0', weight: 1 }], shadow: null, standby: [], salt: '' };
  tables.set('m', modelTable(route, new Map([['1.0.0', routed]])));
  tables.addUnrouted(byHand);
  expect(tables.get('m')!.versions.get('1.0.0')).toBe(routed);
  expect([routed.retired, byHand.retired]).toEqual([0, 1]);
});
