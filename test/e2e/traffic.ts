import { Agent } from 'undici';
import { advanceDrivenClock, createClock } from '../../adapters/postgres/serving/clocks.js';
import type { Stack } from './stack.js';

const hourMs = 3_600_000;

export type Traffic = {
  readonly sent: () => number;
  /** Every request that did not get a 200 with a finite answer, in words. */
  readonly failures: readonly string[];
  stop(): Promise<void>;
};

/**
 * A client that never stops sending: each model hour `callers` requests with their own keys, then the hour's label, then
 * the clock moves on. The right answer is a + 10 b, and the label is 4% off it, so that a right model has an error.
 */
export function startTraffic(stack: Stack, model: string, { callers = 200 }: { callers?: number } = {}): Traffic {
  const dispatcher = new Agent({ connections: 8, pipelining: 1 });
  const failures: string[] = [];
  let sent = 0;
  let going = true;
  const post = async (path: string, body: unknown) =>
    await fetch(`${stack.gatewayUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher,
    } as unknown as RequestInit);

  const ask = async (timeMs: number, caller: number) => {
    // From 100 on the fixture `failing` fails.
    const a = 150;
    try {
      const response = await post(`/v2/models/${model}/infer`, {
        parameters: { key: `caller-${caller}` },
        inputs: [
          { name: 'hour', datatype: 'INT64', shape: [1], data: [timeMs] },
          { name: 'a', datatype: 'FP64', shape: [1], data: [a] },
          { name: 'b', datatype: 'FP64', shape: [1], data: [20] },
        ],
      });
      const text = await response.text();
      const value: unknown = response.ok ? JSON.parse(text).outputs?.[0]?.data?.[0] : undefined;
      if (typeof value !== 'number' || !Number.isFinite(value)) failures.push(`${response.status} ${text.slice(0, 200)}`);
    } catch (error) {
      failures.push(String(error instanceof Error ? (error.cause ?? error) : error));
    }
    sent += 1;
  };

  const hour = async (timeMs: number) => {
    for (let caller = 0; caller < callers; caller += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => ask(timeMs, caller + i)));
    }
    // What follows needs Postgres, which a test may have stopped: it is tried until it is back, while requests go on.
    await persist(
      async () => {
        await post('/v2/captures/flush', {});
        const labels = await post(`/v2/models/${model}/labels`, {
          labels: [{ subject: String(timeMs), event_time_ms: timeMs, value: 350 * 1.04 }],
        });
        if (!labels.ok) throw new Error(await labels.text());
        await advanceDrivenClock(stack.database.db, { name: model, fromMs: timeMs, toMs: timeMs + hourMs });
      },
      () => ask(timeMs, 0),
    );
  };

  const persist = async (work: () => Promise<void>, meanwhile: () => Promise<void>) => {
    while (going) {
      try {
        return await work();
      } catch {
        await meanwhile();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };

  const done = (async () => {
    let timeMs = await createClock(stack.database.db).now({ kind: 'driven', name: model });
    while (going) {
      await hour(timeMs);
      timeMs += hourMs;
    }
  })();
  return {
    sent: () => sent,
    failures,
    async stop() {
      going = false;
      await done;
      await dispatcher.close();
    },
  };
}
