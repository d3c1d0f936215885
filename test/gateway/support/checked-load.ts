import { Agent, request } from 'undici';
import type { Gateway } from '../../../gateway/gateway.js';
import { pairs } from './requests.js';

type Row = readonly [number, number];
type Answer = { readonly model_version: string; readonly outputs: readonly { readonly data: readonly number[] }[] };

export type CheckedLoad = {
  /** Answers that no version gives to these rows, and requests that failed. */
  readonly wrong: readonly unknown[];
  /** Requests answered, by version. */
  readonly answered: Readonly<Record<string, number>>;
  stop(): Promise<void>;
};

/** What is asked, and what each version has to answer. */
export type Expected = { readonly row: (n: number) => Row; readonly answer: (version: string, row: Row) => number };

const callers = 8;

/** Asks the model `demand` without a pause, on connections of its own, until `stop`. Each answer is checked against the version that it names. */
export function checkedLoad(gateway: Gateway, { row, answer }: Expected): CheckedLoad {
  const agent = new Agent({ connections: callers });
  const wrong: unknown[] = [];
  const answered: Record<string, number> = {};
  let running = true;
  const ask = async (n: number): Promise<void> => {
    // Some requests have many rows, so that batches of several requests and several versions' rows could mix.
    const rows = Array.from({ length: 1 + (n % 4) }, (_, i) => row(n + i));
    const response = await request(`${gateway.url}/v2/models/demand/infer`, {
      method: 'POST',
      body: JSON.stringify(pairs(rows)),
      headers: { 'content-type': 'application/json' },
      dispatcher: agent,
    });
    const body = (await response.body.json()) as Answer;
    if (response.statusCode !== 200) return void wrong.push([response.statusCode, body]);
    const expected = rows.map((one) => answer(body.model_version, one));
    if (JSON.stringify(body.outputs[0]!.data) !== JSON.stringify(expected)) wrong.push([body, expected]);
    answered[body.model_version] = (answered[body.model_version] ?? 0) + 1;
  };
  const done = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let n = caller; running; n += callers) await ask(n).catch((error: unknown) => wrong.push(error));
    }),
  );
  return {
    wrong,
    answered,
    async stop() {
      running = false;
      await done;
      await agent.close();
    },
  };
}
