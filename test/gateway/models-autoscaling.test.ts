import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ask, get, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const page = readFileSync(new URL('../../docs/production.md', import.meta.url), 'utf8');
const manifests = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => parse(text) as { kind?: string });
const scaling = manifests.filter(({ kind }) => kind === 'ScaledObject' || kind === 'HorizontalPodAutoscaler');

describe('the autoscalers in docs/production.md', () => {
  it('scale by metrics that a gateway tells', async () => {
    expect(scaling.map(({ kind }) => kind)).toEqual(['ScaledObject', 'HorizontalPodAutoscaler']);
    const named = new Set(JSON.stringify(scaling).match(/\b(gateway|model)_\w+/g));
    expect(named.size).toBe(3);
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
    await ask(gateway, 'demand');
    const { body } = await get<string>(`${gateway.url}/metrics`);
    for (const name of named) expect(body).toMatch(new RegExp(`^${name}(\\{.*\\})? \\d`, 'm'));
  });

  it('have the bounds of three to ten', () => {
    expect(scaling).toMatchObject([{ spec: { minReplicaCount: 3, maxReplicaCount: 10 } }, { spec: { minReplicas: 3, maxReplicas: 10 } }]);
  });
});

it('every metric of docs/serving-models.md is told by a gateway', async () => {
  const text = readFileSync(new URL('../../docs/serving-models.md', import.meta.url), 'utf8');
  const named = new Set(text.match(/\b(gateway|model)_[a-z_]*[a-z]\b(?=[`{])/g));
  expect(named.size).toBeGreaterThan(6);
  const stage = await openStage();
  const accelerator = { provider: 'cuda', required: false, memoryMiB: 1 } as const;
  const devices = [{ name: 'cuda:0', kind: 'cuda', index: 0, memoryBytes: 1024 ** 2 }] as const;
  const gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear', spec: { accelerator } }], {}, { devices });
  await ask(gateway, 'demand');
  let body = '';
  // A look at the device takes its time.
  await until(async () => (body = (await get<string>(`${gateway.url}/metrics`)).body).includes('gateway_device_usable'));
  for (const name of named) expect(body).toMatch(new RegExp(`^# TYPE ${name} `, 'm'));
});
