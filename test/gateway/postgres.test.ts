import { beforeAll, describe, expect, it } from 'vitest';
import { createCaptureStore } from '../../adapters/postgres/serving/capture-store.js';
import { leasedGateways } from '../../adapters/postgres/serving/gateways.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { createOutcomeStore } from '../../adapters/postgres/serving/outcome-store.js';
import { changeRoute } from '../../adapters/postgres/serving/route-state.js';
import { createRouteSource } from '../../adapters/postgres/serving/route-source.js';
import type { Route } from '../../activities/ports.js';
import type { Gateway } from '../../gateway/gateway.js';
import { addVersion, freshModel, servingWorld } from '../serving-state/world.js';
import { ask, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const world = servingWorld();
const stage = await openStage();
const model = freshModel();
const hour = 1_317_427_200_000;
let gateway: Gateway;

async function setRoute(expected: number, route: Partial<Route>): Promise<void> {
  const target = { variants: [], shadow: null, standby: [], salt: 'salt', ...route };
  const change = {
    model,
    expected,
    target,
    kind: 'step',
    promotionId: `p-${expected}`,
    stepIndex: expected,
    by: 'test',
    reason: 'test',
  } as const;
  await world
    .db()
    .transaction()
    .execute((trx) => changeRoute(trx, change));
}

const acknowledged = (generation: number): Promise<void> =>
  until(async () => (await leasedGateways(world.db(), model))[0]?.generation === generation);

beforeAll(async () => {
  const db = world.db();
  const spec = {
    features: [
      { kind: 'input', name: 'a', column: 'a' },
      { kind: 'lag', name: 'lag1', agoMs: 3_600_000 },
    ],
  } as const;
  for (const [version, onnx] of [
    ['1.0.0', 'linear'],
    ['1.0.1', 'linear-plus-1000'],
  ] as const) {
    await addVersion(db, { model, version, package: await stage.pack({ model, version, onnx, spec }) });
  }
  await createOutcomeStore(db).upsert(model, [{ timeMs: hour - 3_600_000, value: 4 }]);
  await setRoute(0, { variants: [{ version: '1.0.0', weight: 1 }] });
  const stores = { routes: createRouteSource(db, world.url()), captures: createCaptureStore(db), outcomes: createOutcomeStore(db) };
  gateway = await stage.start({}, stores);
});

describe('a gateway on Postgres', () => {
  it('serves the route that it finds there, has a lease, and has acknowledged', async () => {
    expect((await ask(gateway, model, [1, 0])).body).toMatchObject({ model_version: '1.0.0', outputs: [{ data: [41] }] });
    expect(await leasedGateways(world.db(), model)).toMatchObject([{ url: gateway.url, generation: 1, refused: null }]);
  });

  it('is told of a change, follows and acknowledges it', async () => {
    await setRoute(1, { variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1' });
    await acknowledged(2);
    await setRoute(2, { variants: [{ version: '1.0.1', weight: 1 }], standby: ['1.0.0'] });
    await acknowledged(3);
    expect((await ask(gateway, model, [1, 0])).body).toMatchObject({ model_version: '1.0.1', outputs: [{ data: [1041] }] });
  });

  it('stores captures of live and shadow under one id, takes labels by id, and sees them in its features', async () => {
    await setRoute(3, { variants: [{ version: '1.0.0', weight: 1 }], shadow: '1.0.1' });
    await acknowledged(4);
    const { body } = await post(`${gateway.url}/v2/models/${model}/infer`, pairs([[5, 0]], { parameters: { key: 'anna\u0000' } }));
    const id = body.parameters.prediction_ids;
    const measurement = createMeasurement(world.db());
    const shadowed = { model, version: '1.0.1', fromMs: hour, toMs: hour + 1, shadow: true };
    await until(async () => {
      await post(`${gateway.url}/v2/captures/flush`, {});
      return (await measurement.variant(shadowed)).requests === 1;
    });
    const labels = {
      labels: [
        { id, value: 60 },
        { subject: `${hour}`, value: 60 },
        { subject: `${hour}`, value: 61 },
      ],
    };
    const labelled = await post<Record<string, unknown>>(`${gateway.url}/v2/models/${model}/labels`, labels);
    expect(labelled.body).toMatchObject({ stored: 2, labels: [{ outcome: 'stored' }, { outcome: 'stored' }, { outcome: 'refused' }] });
    const pairsOf = await measurement.pairs({ model, champion: '1.0.0', challenger: '1.0.1', fromMs: hour, toMs: hour + 1 });
    expect(pairsOf).toMatchObject([{ subject: `${hour}`, actual: 60 }]);
    const next = await post(
      `${gateway.url}/v2/models/${model}/infer`,
      pairs([
        [5, 0],
        [5, 0],
      ]),
    );
    expect(next.body.outputs[0]!.data).toEqual([45, 605]);
  });
});
