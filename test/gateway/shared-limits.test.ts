import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { SharedBucket } from '../../gateway/access/shared-bucket.js';
import { KeyAllowances, type Allowance, type SharedLimits } from '../../gateway/access/shared-limits.js';
import { pairs, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();

/** Counts as the process does that started the others; its clock is the test's. */
function counting(nowMs: () => number = () => 0) {
  const allowances = new KeyAllowances();
  const asked: Allowance[] = [];
  const given: Allowance[] = [];
  const limits: SharedLimits = {
    async take(allowance) {
      asked.push(allowance);
      await turn();
      return allowances.take(allowance, nowMs());
    },
    give(allowance) {
      given.push(allowance);
      allowances.give(allowance);
    },
  };
  return { limits, asked, given };
}

describe('the rate of a key over several processes', () => {
  it('is never exceeded, however the requests fall on them, and is used up', async () => {
    const requests = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(requests, fc.integer({ min: 1, max: 200 }), async (processes, ratePerSecond) => {
        const { limits } = counting();
        const buckets = [0, 1, 2, 3].map(() => new SharedBucket(limits, { key: 'shop', ratePerSecond }));
        const waits = await Promise.all(processes.map(async (index) => await buckets[index]!.take(0)));
        const admitted = waits.filter((waitMs) => waitMs === 0).length;
        expect(admitted).toBeLessThanOrEqual(ratePerSecond);
        // What the others hold in advance is all that can be lacking.
        const held = 3 * Math.floor(ratePerSecond / 20);
        expect(admitted).toBeGreaterThanOrEqual(Math.min(processes.length, ratePerSecond - held));
      }),
      { numRuns: 60 },
    );
  });

  it('is taken in advance by a twentieth of a second, and what is not used goes back', async () => {
    const { limits, asked, given } = counting();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const bucket = new SharedBucket(limits, { key: 'shop', ratePerSecond: 200 });
      for (let i = 0; i < 6; i++) expect(await bucket.take(0)).toBe(0);
      expect(asked.map(({ count }) => count)).toEqual([10]);
      vi.runAllTimers();
      expect(given).toEqual([{ key: 'shop', ratePerSecond: 200, count: 4 }]);
      const other = new SharedBucket(limits, { key: 'shop', ratePerSecond: 200 });
      const rest = await Promise.all(Array.from({ length: 250 }, async () => await other.take(0)));
      expect(rest.filter((waitMs) => waitMs === 0)).toHaveLength(194);
    } finally {
      vi.useRealTimers();
    }
  });

  it('asks nobody about a flood beyond it', async () => {
    const { limits, asked } = counting();
    const bucket = new SharedBucket(limits, { key: 'shop', ratePerSecond: 0.001 });
    expect(await bucket.take(performance.now())).toBe(0);
    expect(await bucket.take(performance.now())).toBeGreaterThan(900_000);
    const before = asked.length;
    for (let i = 0; i < 100; i++) expect(bucket.take(performance.now())).toBeTypeOf('number');
    expect(asked.length).toBe(before);
  });

  it('forgets keys that send nothing any more', () => {
    const allowances = new KeyAllowances();
    const take = (key: string, nowMs: number) => allowances.take({ key, ratePerSecond: 1, count: 1 }, nowMs).taken;
    for (let i = 0; i < 1_000; i++) expect(take(`key-${i}`, 0)).toBe(1);
    // All but this one are full again by then.
    expect(take('key-7', 1_500)).toBe(1);
    expect(take('new', 1_600)).toBe(1);
    expect([take('key-7', 1_600), take('key-8', 1_600)]).toEqual([0, 1]);
  });

  it('counts for two gateways with the same keys', async () => {
    await stage.addVersion({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    stage.registry.setRoute({ model: 'demand', variants: [{ version: '1.0.0', weight: 1 }] });
    const file = join(stage.folder, 'shared-keys.json');
    const usual = { role: 'predict', models: null, expiresAtMs: null } as const;
    const { key, secret } = makeGatewayKey({ ...usual, name: 'shop', requestsPerSecond: 0.01 }, Date.now());
    await changeGatewayKeys(file, () => [key]);
    const { limits } = counting(() => performance.now());
    const gateways = await Promise.all(
      ['a', 'b'].map((name) => stage.start({ folder: join(stage.folder, name) }, { keys: gatewayKeySource(file, 10), keyLimits: limits })),
    );
    const answers = await Promise.all(
      [0, 1, 0, 1, 1].map((index) =>
        post(`${gateways[index]!.url}/v2/models/demand/infer`, pairs([[1, 2]]), { authorization: `Bearer ${secret}` }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 429, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1);
    expect(refused.body.error).toContain("'shop' may send 0.01 requests a second");
  });
});
