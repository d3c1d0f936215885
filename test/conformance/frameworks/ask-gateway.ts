import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

type Tensor = {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string | boolean)[];
};
type Ask = { readonly request: { readonly inputs: readonly Tensor[] }; readonly answer: { readonly outputs: readonly Tensor[] } };

/** Relative to what is expected, absolute below 1: as imports have it. */
const tolerance = 1e-4;
const readyWithinMs = 60_000;

/** Asks a gateway all that `asks.jsonl` of a folder has, and answers how many values were as expected. Throws at the first other one. */
export async function askGateway(http: string, { model, folder }: { model: string; folder: string }): Promise<number> {
  await untilReady(http, model);
  let values = 0;
  for await (const line of createInterface({ input: createReadStream(join(folder, 'asks.jsonl')) })) {
    const { request, answer } = JSON.parse(line) as Ask;
    const response = await fetch(`http://${http}/v2/models/${model}/infer`, { method: 'POST', body: JSON.stringify(request) });
    const body = (await response.json()) as { error?: string; outputs?: Tensor[] };
    assert.equal(response.status, 200, body.error);
    for (const expected of answer.outputs) {
      const output = body.outputs?.find(({ name }) => name === expected.name);
      assert(output !== undefined, `there is no output ${expected.name}`);
      compare(output, expected);
      values += expected.data.length;
    }
  }
  assert(values > 0, 'nothing was asked');
  return values;
}

function compare(output: Tensor, expected: Tensor): void {
  const { name } = expected;
  assert.deepEqual([output.datatype, output.shape], [expected.datatype, expected.shape], name);
  assert.equal(output.data.length, expected.data.length, name);
  const isFloat = expected.datatype.startsWith('FP');
  expected.data.forEach((wanted, at) => {
    const found = output.data[at];
    const agrees = isFloat
      ? Math.abs(Number(found) - Number(wanted)) <= tolerance * Math.max(1, Math.abs(Number(wanted)))
      : found === wanted;
    assert(agrees, `${name}[${at}] is ${found}, and the native model answers ${wanted}`);
  });
}

async function untilReady(http: string, model: string): Promise<void> {
  for (const end = Date.now() + readyWithinMs; ;) {
    const { status } = await fetch(`http://${http}/v2/models/${model}/ready`);
    if (status === 200) return;
    assert(Date.now() < end, `${model} is not ready (${status}): the gateway refused its package`);
    await sleep(50);
  }
}
