import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { inOrder } from '../../gateway/streams/in-order.js';
import { serveDemand } from './support/demand.js';
import { pairs, post, until } from './support/requests.js';
import type { InferAnswer } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  await stage.addFixture('mixed');
  await stage.addLive({ model: 'slow', version: '1.0.0', onnx: 'slow' });
  gateway = await serveDemand(stage);
});

type Event = InferAnswer & { readonly value?: number | number[] };

/** The events of a stream as they come. */
async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Event, void> {
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString('utf8');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      if (!/^data: [^\n]+$/.test(event)) throw new Error(`this is no event: ${event}`);
      yield JSON.parse(event.slice(6)) as Event;
    }
  }
  expect(text).toBe('');
}

async function events(path: string, body: unknown, headers: Record<string, string> = {}): Promise<{ status: number; all: Event[] }> {
  const answer = await fetch(`${gateway.url}/v2/models/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const all: Event[] = [];
  if (answer.status !== 200) return { status: answer.status, all: [(await answer.json()) as Event] };
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  for await (const event of eventsOf(answer.body!)) all.push(event);
  return { status: 200, all };
}

/** A request whose body is sent bit by bit. */
async function open(path: string, begin: string): Promise<{ sent: ClientRequest; answer: IncomingMessage }> {
  const sent = request(`${gateway.url}/v2/models/${path}`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } });
  sent.on('error', () => undefined);
  sent.write(begin);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject));
  return { sent, answer };
}

const predicted = (model: string): number => stage.registry.stored.filter((capture) => capture.model === model).length;

describe('infer_stream', () => {
  it('answers each row as an event, in order, each with its own id', async () => {
    const rows = Array.from({ length: 200 }, (_, i): [number, number] => [i, 1]);
    const { all } = await events('demand/infer_stream', pairs(rows, { id: 'call', parameters: { prediction_id: 'trip' } }));
    expect(all.map(({ outputs }) => outputs[0]!.data[0])).toEqual(rows.map(([a]) => a + 10));
    expect(all.map(({ parameters }) => parameters.prediction_ids)).toEqual(rows.map((_, i) => `trip-${i}`));
    expect(all[7]).toMatchObject({ id: 'call', model_version: '1.0.0', outputs: [{ shape: [1] }] });
  });

  it('takes flat and nested data apart alike', async () => {
    const inputs = [
      { name: 'a', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] },
      { name: 'b', datatype: 'INT64', shape: [2], data: [10, 20] },
      { name: 'flag', datatype: 'BOOL', shape: [2], data: [true, false] },
      { name: 'word', datatype: 'BYTES', shape: [2], data: ['one', 'two'] },
    ];
    const nested = inputs.map((input) =>
      input.name === 'a'
        ? {
            ...input,
            data: [
              [1, 2],
              [3, 4],
            ],
          }
        : input,
    );
    for (const body of [{ inputs }, { inputs: nested }]) {
      const { all } = await events('mixed/infer_stream', body);
      expect(all.map(({ outputs }) => outputs.map(({ data }) => data[0]))).toEqual([
        [13, 10, false, 'one'],
        [27, 20, true, 'two'],
      ]);
    }
  });

  it('answers each line of a body, and a wrong line where it stands', async () => {
    const lines = [
      pairs([[1, 2]]),
      { inputs: [] },
      pairs([
        [3, 4],
        [5, 6],
      ]),
      pairs([[5_000, 2]]),
    ]
      .map((line) => JSON.stringify(line))
      .join('\r\n\n');
    const { all } = await events('demand/infer_stream', lines, { 'content-type': 'application/jsonlines' });
    expect(all.map((event) => event.error ?? event.outputs[0]!.data)).toEqual([
      [21],
      'line 1: inputs is empty: at least one tensor is expected',
      [43, 65],
      'line 3: input "a", row 0, is 5000: at most 1000 is expected',
    ]);
  });

  it('answers lines while the body still arrives', async () => {
    const { sent, answer } = await open(
      'demand/infer_stream',
      `${JSON.stringify(pairs([[1, 2]]))}\n${JSON.stringify(pairs([[3, 4]])).slice(0, 20)}`,
    );
    const got = eventsOf(answer);
    expect((await got.next()).value).toMatchObject({ outputs: [{ data: [21] }] });
    sent.write(`${JSON.stringify(pairs([[3, 4]])).slice(20)}\n`);
    expect((await got.next()).value).toMatchObject({ outputs: [{ data: [43] }] });
    sent.end(JSON.stringify(pairs([[5, 6]])));
    expect((await got.next()).value).toMatchObject({ outputs: [{ data: [65] }] });
    expect((await got.next()).done).toBe(true);
  });

  it('fails as a plain call does when the first part fails', async () => {
    expect(await events('demand/infer_stream', '{')).toMatchObject({ status: 400 });
    const otherOutput = await events('demand/infer_stream', pairs([[1, 2]], { outputs: [{ name: 'x' }] }));
    expect(otherOutput).toMatchObject({ status: 400, all: [{ error: expect.stringContaining('output "x" is not known') as string }] });
    expect(await events('nothing/infer_stream', pairs([[1, 2]]))).toMatchObject({ status: 404 });
    expect(await events('demand/infer_stream', '\n', { 'content-type': 'application/x-ndjson' })).toMatchObject({ status: 400 });
    const [hour, ...others] = pairs([[1, 2]])['inputs'] as object[];
    const uneven = { inputs: [{ ...hour, shape: [2], data: [1, 2] }, ...others] };
    expect(await events('demand/infer_stream', uneven)).toMatchObject({
      status: 400,
      all: [{ error: expect.stringContaining('rows') as string }],
    });
  });

  it('tells a later row that cannot be answered, and goes on', async () => {
    const { all } = await events(
      'demand/infer_stream',
      pairs([
        [1, 2],
        [5000, 2],
        [3, 4],
      ]),
    );
    expect(all.map((event) => event.error ?? event.outputs[0]!.data[0])).toEqual([
      21,
      'input "a", row 1, is 5000: at most 1000 is expected',
      43,
    ]);
  });

  it('does no more than the caller takes', async () => {
    const before = predicted('demand');
    const rows = Array.from({ length: 5_000 }, (_, i): [number, number] => [i % 1000, 1]);
    const sent = request(`${gateway.url}/v2/models/demand/infer_stream`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    sent.end(JSON.stringify(pairs(rows, { id: 'i'.repeat(4_000) })));
    const answer = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
    answer.pause();
    // It stands still once the buffers between are full, long before the end.
    let seen = -1;
    await until(async () => {
      const now = predicted('demand');
      const still = now > before && now === seen;
      seen = now;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return still;
    });
    expect(seen - before).toBeLessThan(rows.length);
    let count = 0;
    for await (const event of eventsOf(answer)) if (event.outputs[0]!.data[0] === rows[count]![0] + 10) count++;
    expect(count).toBe(rows.length);
  });

  it('ends when the caller leaves', async () => {
    const before = predicted('slow');
    const sent = request(`${gateway.url}/v2/models/slow/infer_stream`, { method: 'POST', headers: { 'content-type': 'application/json' } });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify(pairs(Array.from({ length: 400 }, () => [1, 1] as const))));
    const answer = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve));
    answer.on('error', () => undefined);
    sent.destroy();
    await until(async () => {
      const now = predicted('slow');
      await new Promise((resolve) => setTimeout(resolve, 300));
      return now > before && predicted('slow') === now;
    });
    expect(predicted('slow') - before).toBeLessThan(400);
    expect((await post(`${gateway.url}/v2/models/slow/infer`, pairs([[1, 2]]))).status).toBe(200);
  });
});

describe('generate', () => {
  it('takes the inputs as keys and answers the outputs as keys', async () => {
    const one = await post<Event>(`${gateway.url}/v2/models/demand/generate`, { hour: 0, a: 1, b: 2, id: 'mine', prediction_id: 'trip-9' });
    expect(one.body).toMatchObject({
      model_name: 'demand',
      model_version: '1.0.0',
      id: 'mine',
      value: 21,
      parameters: { prediction_ids: 'trip-9' },
    });
    const two = await post<Event>(`${gateway.url}/v2/models/demand/generate`, { hour: [0, 0], a: [1, 3], b: [2, 4] });
    expect(two.body.value).toEqual([21, 43]);
    const version = await post<Event>(`${gateway.url}/v2/models/demand/versions/1.0.1/generate`, { hour: 0, a: 1, b: 2 });
    expect(version.body.value).toBe(1021);
    const wide = await post<Record<string, unknown>>(`${gateway.url}/v2/models/mixed/generate`, {
      a: [1, 2],
      b: 10,
      flag: true,
      word: 'one',
    });
    expect(wide.body).toMatchObject({ total: 13, count: 10, opposite: false, echo: 'one' });
  });

  it('refuses what is no input, by name', async () => {
    const ask = (body: unknown) => post<Event>(`${gateway.url}/v2/models/demand/generate`, body);
    expect(await ask({ hour: 0, a: 1, b: 2, sequence_id: 4 })).toMatchObject({ status: 501 });
    expect(await ask({ hour: 0, a: 1, b: 2, parameters: 'key' })).toMatchObject({
      status: 400,
      body: { error: 'parameters is text: an object is expected' },
    });
    expect(await ask({ hour: 0, a: 1 })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('"b" is missing') as string },
    });
    expect(await ask({ hour: 0, a: 1, b: 2, c: {} })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('"c"') as string },
    });
    expect(await ask({ hour: 0, a: [[1]], b: 2 })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('nested 2 deep') as string },
    });
    expect(await ask([1])).toMatchObject({ status: 400 });
  });

  it('streams one event a row', async () => {
    const { all } = await events('demand/generate_stream', { hour: [0, 0, 0], a: [1, 3, 5], b: [2, 4, 6] });
    expect(all.map(({ value }) => value)).toEqual([21, 43, 65]);
    const lines = await events('demand/generate_stream', '{"hour":0,"a":1,"b":2}\n{"hour":0,"a":3,"b":4}', {
      'content-type': 'application/jsonlines',
    });
    expect(lines.all.map(({ value }) => value)).toEqual([21, 43]);
  });
});

describe('results in order', () => {
  it('begins no more calls at once than allowed, and gives results in the order of the calls', async () => {
    let atWork = 0;
    let most = 0;
    async function* starts() {
      for (let i = 0; i < 50; i++)
        yield async () => {
          most = Math.max(most, ++atWork);
          await new Promise((resolve) => setTimeout(resolve, (i * 7) % 5));
          atWork--;
          return i;
        };
    }
    const got: number[] = [];
    for await (const i of inOrder(starts(), 4)) got.push(i);
    expect(got).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(most).toBe(4);
  });

  it('gives a result while the next call is not known yet', async () => {
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    async function* starts() {
      yield async () => 'first';
      await held;
      yield async () => 'second';
    }
    const results = inOrder(starts(), 4);
    expect((await results.next()).value).toBe('first');
    go();
    expect((await results.next()).value).toBe('second');
    expect((await results.next()).done).toBe(true);
  });
});
