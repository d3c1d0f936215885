import { execFileSync } from 'node:child_process';
import { get as httpGet } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Agent } from 'undici';
import { Stack } from './stack.js';
import { serveToy } from './toy-model.js';

const model = 'toy-processes';
let stack: Stack;

beforeAll(async () => {
  stack = await Stack.open();
  await serveToy(stack, model);
});
afterEach(async () => {
  await stack.stop('gateway');
});
afterAll(async () => {
  await stack?.close();
});

const hourMs = 3_600_000;

/** Callers that ask one request after the other on connections that they keep; the right answer is a + 10 b. */
function startCallers(count: number) {
  const dispatcher = new Agent({ connections: count, pipelining: 1 });
  const failures: string[] = [];
  let answered = 0;
  let going = true;
  const ask = async (id: string): Promise<boolean> => {
    const input = (name: string, datatype: string, value: number) => ({ name, datatype, shape: [1], data: [value] });
    const request = {
      parameters: { prediction_id: id },
      inputs: [input('hour', 'INT64', hourMs), input('a', 'FP64', 7), input('b', 'FP64', 2)],
    };
    const options = { method: 'POST', body: JSON.stringify(request), dispatcher } as unknown as RequestInit;
    try {
      const response = await fetch(`${stack.gatewayUrl}/v2/models/${model}/infer`, options);
      const body = await response.text();
      if (response.ok && JSON.parse(body).outputs[0].data[0] === 27) answered++;
      else failures.push(`${response.status} ${body.slice(0, 200)}`);
      return true;
    } catch (error) {
      const cause = (error as { cause?: { code?: string; message?: string } }).cause;
      // Nobody listens any more: this request was never taken.
      if (cause?.code === 'ECONNREFUSED') return false;
      failures.push(String(cause?.message ?? error));
      return true;
    }
  };
  const all = Promise.all(
    Array.from({ length: count }, async (_, caller) => {
      for (let i = 0; going && (await ask(`c${caller}-${i}`)); i++);
    }),
  );
  return {
    failures,
    answered: () => answered,
    async stop() {
      going = false;
      await all;
      await dispatcher.close();
    },
  };
}

/** What is answered on a connection of its own; empty when none is to be had, or it was on its way to a process that died. */
const get = (path: string): Promise<string> =>
  new Promise((resolve) => {
    const request = httpGet(`${stack.gatewayUrl}${path}`, { agent: false, timeout: 2_000 }, (response) => {
      void text(response).then(resolve, () => resolve(''));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(''));
  });
const processesIn = (text: string): string[] => [...new Set([...text.matchAll(/process="(\d+)"/g)].map((match) => match[1]!))].sort();
const sumOf = (text: string, name: string): number =>
  [...text.matchAll(new RegExp(`^${name}{[^}]*model_name="${model}"[^}]*} (\\d+)`, 'gm'))].reduce(
    (sum, match) => sum + Number(match[1]),
    0,
  );

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('processes that share a port', () => {
  test('are one gateway: figures are those of all, a flush stores the captures of all, and one that dies comes back', async () => {
    await stack.database.db.deleteFrom('captures').execute();
    await stack.start('gateway', { PERENNIAL_GATEWAY_PROCESSES: '2' });
    const callers = startCallers(8);
    await until(() => callers.answered() > 400);
    await callers.stop();
    expect(callers.failures).toEqual([]);
    const metrics = await get('/metrics');
    expect(processesIn(metrics)).toEqual(['0', '1']);
    expect(sumOf(metrics, 'model_predictions_total')).toBe(callers.answered());
    const { model_stats } = JSON.parse(await get(`/v2/models/${model}/stats`)) as { model_stats: { inference_count: number }[] };
    expect(model_stats.map(({ inference_count }) => inference_count)).toEqual([callers.answered()]);
    await fetch(`${stack.gatewayUrl}/v2/captures/flush`, { method: 'POST' });
    const stored = await stack.database.db.selectFrom('captures').select('id').execute();
    expect(stored).toHaveLength(callers.answered());

    const children = execFileSync('pgrep', ['-P', String(stack.pid('gateway')), 'node'], { encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(children).toHaveLength(2);
    process.kill(Number(children[0]), 'SIGKILL');
    // The other goes on meanwhile; only connections that were kept to this one are lost.
    await until(async () => (await get(`/v2/models/${model}/ready`)) !== '');
    await until(async () => processesIn(await get('/metrics')).length === 2);
    const after = startCallers(4);
    await until(() => after.answered() > 100);
    await after.stop();
    expect(after.failures).toEqual([]);
  });
});
