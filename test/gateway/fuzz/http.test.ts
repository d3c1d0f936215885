import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ask } from '../support/requests.js';
import { statusesOf } from '../support/raw-socket.js';
import { httpSeeds, wire } from './http-seeds.js';
import type { HttpSeed } from './http-seeds.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';
import { boundsOf, fuzzedGateway } from './stage.js';

const { stage, gateway } = await fuzzedGateway();
const bounds = boundsOf(1_500);
/** 501 for what is not there, 505 for another HTTP: by design, as 503 and 504 are. */
const byDesign: ReadonlySet<number> = new Set([501, 503, 504, 505]);
const quietMs = 80;
const lanes = 8;

/** Sends bytes; answers what came until the server closed, or said nothing for a while because it waits for more. */
function exchange(bytes: Buffer, silenceMs = quietMs): Promise<string> {
  const { hostname, port } = new URL(gateway.url);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

/** The nth request of a seed: valid in its frame with a changed body, or changed anywhere. */
function requestOf(seed: HttpSeed, random: Random): Buffer {
  if (seed.body.length > 0 && random.below(3) > 0) return wire({ ...seed, body: mutate(seed.body, random) });
  if (seed.headers.length > 0 && random.below(4) === 0)
    return wire({ ...seed, headers: seed.headers.map((header) => mutate(Buffer.from(header, 'latin1'), random).toString('latin1')) });
  return mutate(wire(seed), random);
}

test('every seed is answered as it is', async () => {
  for (const seed of httpSeeds) {
    const [status] = statusesOf(await exchange(wire(seed), 5_000));
    expect([seed.line, status]).toEqual([
      seed.line,
      expect.toSatisfy((got: number) => (got >= 200 && got < 300) || seed.line.endsWith('/v2/jobs/x')),
    ]);
  }
});

test(`changed requests are answered without a fault (seed ${bounds.seed})`, { timeout: 3_600_000 }, async () => {
  let next = 0;
  const endMs = Date.now() + bounds.durationMs;
  const rss = process.memoryUsage().rss;
  const lane = async () => {
    while (next < bounds.cases && Date.now() < endMs) {
      const number = next++;
      const random = new Random(bounds.seed * 1_000_003 + number);
      const bytes = requestOf(random.of(httpSeeds), random);
      const received = await exchange(bytes);
      const wrong = statusesOf(received).filter((status) => status >= 500 && !byDesign.has(status));
      const fault = stage.log.find(({ event }) => event === 'requestFailed');
      if (wrong.length > 0 || fault !== undefined)
        throw new Error(
          `case ${number} of seed ${bounds.seed}: ${received.slice(0, 300)} ${JSON.stringify(fault ?? null)}\n${JSON.stringify(bytes.toString('latin1').slice(0, 3_000))}`,
        );
      if (number % 50 === 0)
        expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  expect(next).toBeGreaterThan(0);
  expect(await ask(gateway, 'demand', [3, 4])).toMatchObject({ status: 200, body: { outputs: [{ data: [43] }] } });
  // Nothing of the requests is held on to.
  expect(await (await fetch(`${gateway.url}/metrics`)).text()).toContain('\ngateway_body_bytes 0\n');
  expect(process.memoryUsage().rss - rss).toBeLessThan(700 * 1024 * 1024);
});
