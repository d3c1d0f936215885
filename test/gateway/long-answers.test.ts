import { afterEach, describe, expect, test, vi } from 'vitest';
import { textInTurns, textOf } from '../../gateway/prediction/answer-rows.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addFixture('mixed');
const gateway = await stage.start();

describe('a text that is written in turns', () => {
  afterEach(() => vi.restoreAllMocks());

  const parts = ['[', { rows: 1_000, between: ',', write: String }, ']', { rows: 0, between: ',', write: String }, '!'];

  test('is the text that is written at once', async () => {
    expect(await textInTurns(parts)).toBe(textOf(parts));
    expect(JSON.parse(textOf(parts.slice(0, 3)))).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });

  test('leaves others their turns where the rows take long', async () => {
    // Each look at the clock finds it three milliseconds later.
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 3));
    let turns = 0;
    let ended = false;
    const turn = (): void => {
      turns++;
      if (!ended) setImmediate(turn);
    };
    setImmediate(turn);
    await textInTurns(parts);
    ended = true;
    expect(turns).toBeGreaterThan(50);
  });
});

describe('an answer of many rows', () => {
  const count = 1_200;
  const rows = Array.from({ length: count }, (_, i) => ({ a: [i, 0.5], b: i, flag: i % 3 === 0, word: `w"${i}` }));
  const outputs = rows.map(({ a, b, flag, word }) => ({ total: a[0]! + a[1]! + b, count: b, opposite: !flag, echo: word }));
  const column = <K extends keyof (typeof outputs)[number]>(name: K) => outputs.map((row) => row[name]);
  const columns = { total: column('total'), count: column('count'), opposite: column('opposite'), echo: column('echo') };
  const inputs = {
    a: rows.map(({ a }) => a),
    b: rows.map(({ b }) => b),
    flag: rows.map(({ flag }) => flag),
    word: rows.map(({ word }) => word),
  };
  const types = { a: 'FP32', b: 'INT64', flag: 'BOOL', word: 'BYTES' } as const;
  const tensors = Object.entries(inputs).map(([name, data]) => ({
    name,
    datatype: types[name as keyof typeof types],
    shape: name === 'a' ? [count, 2] : [count],
    data,
  }));

  async function send(path: string, body: unknown, headers: Record<string, string> = {}): Promise<string> {
    const answer = await fetch(`${gateway.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
    expect(answer.status).toBe(200);
    return answer.text();
  }

  test('has them all, by row and by column', async () => {
    expect(JSON.parse(await send('/v1/models/mixed:predict', { instances: rows }))).toEqual({ predictions: outputs });
    expect(JSON.parse(await send('/v1/models/mixed:predict', { inputs }))).toEqual({ outputs: columns });
    expect(JSON.parse(await send('/endpoints/mixed/invocations', { instances: rows }))).toEqual({ predictions: outputs });
    expect(JSON.parse(await send('/v2/models/mixed/generate', inputs))).toMatchObject(columns);
  });

  test('has them as lines', async () => {
    const as = (accept: string) => send('/endpoints/mixed/invocations', { instances: rows }, { accept });
    expect(await as('application/jsonlines')).toBe(outputs.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const cells = outputs.map((row) => `${row.total},${row.count},${row.opposite},"${row.echo.replace('"', '""')}"\n`);
    expect(await as('text/csv')).toBe(cells.join(''));
  });

  test('has them as tensors: those that were asked for, as they were asked for', async () => {
    type Tensors = { outputs: { name: string; data: unknown }[]; parameters: { prediction_ids: string } };
    const told = async (path: string, more: object = {}) => JSON.parse(await send(path, { inputs: tensors, ...more })) as Tensors;
    for (const path of ['/v2/models/mixed/infer', '/endpoints/mixed/invocations']) {
      const { outputs: all, parameters } = await told(path);
      expect(Object.fromEntries(all.map(({ name, data }) => [name, data]))).toEqual(columns);
      expect(new Set(parameters.prediction_ids.split(',')).size).toBe(count);
      const asked = await told(path, { outputs: [{ name: 'count' }, { name: 'total', parameters: { classification: 1 } }] });
      expect(asked.outputs.map(({ name, data }) => [name, data])).toEqual([
        ['total', columns.total.map((value) => `${value}:0`)],
        ['count', columns.count],
      ]);
    }
    const some = await send('/v2/models/mixed/infer', {
      inputs: tensors,
      outputs: [{ name: 'count', parameters: { binary_data: true } }, { name: 'echo' }],
    });
    expect(some).toContain(`"parameters":{"binary_data_size":${8 * count}}`);
    expect(some).toContain(`"datatype":"BYTES","data":${JSON.stringify(columns.echo)}`);
  });
});
