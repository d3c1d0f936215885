import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { serveDemand } from './support/demand.js';
import { ask, get, post } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  for (const fixture of ['identity-cube', 'identity-text', 'mixed']) await stage.addFixture(fixture);
  gateway = await serveDemand(stage);
});

const predict = (model: string, body: unknown, headers: Record<string, string> = {}) =>
  post<Record<string, unknown>>(`${gateway.url}/v1/models/${model}:predict`, body, headers);

const row = (a: number[], b: number, more: { flag: boolean; word: unknown }) => ({ a, b, ...more });

describe("TensorFlow Serving's predict", () => {
  it('takes rows as objects and as lists, and answers one prediction a row', async () => {
    const answer = await predict('demand', { instances: [{ hour: 0, a: 1, b: 2 }, [3_600_000, 3, 4]] });
    expect(answer).toMatchObject({ status: 200, body: { predictions: [21, 43] } });
    expect(answer.headers.get('x-perennial-version')).toBe('1.0.0');
    expect(answer.headers.get('x-perennial-prediction-ids')!.split(',')).toHaveLength(2);
  });

  it('takes columns, and answers in columns', async () => {
    expect((await predict('demand', { inputs: { hour: [0, 1], a: [1, 3], b: [2, 4] } })).body).toEqual({ outputs: [21, 43] });
  });

  it('answers several outputs by their names, a row each or all in columns', async () => {
    const rows = [row([1, 2], 10, { flag: true, word: 'eins' }), row([3, 4], 20, { flag: false, word: '"zwei"' })];
    expect((await predict('mixed', { instances: rows })).body).toEqual({
      predictions: [
        { total: 13, count: 10, opposite: false, echo: 'eins' },
        { total: 27, count: 20, opposite: true, echo: '"zwei"' },
      ],
    });
    const columns = { a: rows.map(({ a }) => a), b: [10, 20], flag: [true, false], word: ['eins', '"zwei"'] };
    expect((await predict('mixed', { inputs: columns })).body).toEqual({
      outputs: { total: [13, 27], count: [10, 20], opposite: [false, true], echo: ['eins', '"zwei"'] },
    });
  });

  it('nests tensors as their shapes say', async () => {
    const cube = [
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [
        [7, 8, 9],
        [10, 11, 12],
      ],
    ];
    expect((await predict('identity-cube', { inputs: cube })).body).toEqual({ outputs: cube });
    expect((await predict('identity-cube', { inputs: { x: cube } })).body).toEqual({ outputs: cube });
  });

  it('takes bytes as base64', async () => {
    const b64 = (text: string) => ({ b64: Buffer.from(text).toString('base64') });
    expect((await predict('identity-text', { instances: [[b64('fünf €')], ['plain']] })).body).toEqual({
      predictions: [['fünf €'], ['plain']],
    });
    expect((await predict('mixed', { instances: [row([1, 2], 1, { flag: true, word: b64('x') })] })).body).toMatchObject({
      predictions: [{ echo: 'x' }],
    });
  });

  it('answers from the version in the path, and keeps a caller by its key', async () => {
    const { body, headers } = await post(`${gateway.url}/v1/models/demand/versions/1.0.1:predict`, { instances: [[0, 3, 4]] });
    expect(body).toEqual({ predictions: [1043] });
    expect(headers.get('x-perennial-variant')).toBe('standby');
    await predict('demand', { instances: [[0, 7, 7]] }, { 'x-perennial-key': 'customer-1' });
    await post(`${gateway.url}/v2/captures/flush`, '');
    expect(stage.registry.stored.find(({ inputs }) => inputs['a'] === 7)).toMatchObject({ key: 'customer-1', predicted: 77 });
  });

  it.each([
    ['both forms', { instances: [[0, 1, 2]], inputs: {} }, /both "instances" and "inputs"/],
    ['neither form', { rows: [] }, /neither "instances" nor "inputs"/],
    ['no object', [1, 2], /the request is a list/],
    ['no rows', { instances: [] }, /instances is empty/],
    ['a field that is missing', { instances: [{ hour: 0, a: 1 }] }, /instances\[0\].b is missing/],
    ['an unknown field', { instances: [{ hour: 0, a: 1, b: 2, c: 3 }] }, /instances\[0\].c is not known/],
    ['an unknown column', { inputs: { hour: [0], a: [1], b: [2], c: [3] } }, /input "c" is not known/],
    ['a missing column', { inputs: { hour: [0], a: [1] } }, /input "b" is missing/],
    ['columns of other lengths', { inputs: { hour: [0], a: [1, 2], b: [1] } }, /input "a" has 2 rows, "hour" has 1/],
    ['a list where columns are needed', { inputs: [1, 2] }, /inputs is a list: an object with hour, a, b/],
    ['text for a number', { instances: [[0, 'x', 2]] }, /input "a", row 0, is text/],
    ['broken base64', { instances: [[0, { b64: '%' }, 2]] }, /a "b64" value is not base64/],
    ['bytes that are no text', { instances: [[0, { b64: '//79' }, 2]] }, /no UTF-8 text/],
    ['a name twice', '{"instances":[{"hour":0,"a":1,"a":2,"b":2}]}', /the name "a" stands twice/],
  ])('refuses %s', async (_, body, message) => {
    expect(await predict('demand', body)).toMatchObject({ status: 400, body: { error: expect.stringMatching(message) } });
    expect((await ask(gateway, 'demand', [3, 4])).status).toBe(200);
  });

  it.each([
    ['POST', '/v1/models/nothing:predict', 404],
    ['POST', '/v1/models/demand/versions/9:predict', 404],
    ['POST', '/v1/models/demand:explain', 400],
    ['POST', '/v1/models/demand/versions/1.0.0:regress', 400],
    ['GET', '/v1/models/demand:predict', 405],
    ['POST', '/v1/models/:predict', 400],
    ['POST', '/v1/models/demand', 405],
    ['GET', '/v1/models/nothing', 404],
  ])('%s %s is %i', async (method, path, status) => {
    const init = method === 'POST' ? { method, body: '{"instances":[[0,1,2]]}' } : { method };
    const response = await fetch(gateway.url + path, init);
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({ error: expect.any(String) });
  });
});

describe('the state of a model', () => {
  const available = (version: string) => ({ version, state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } });

  it('tells each version, or the one that is named', async () => {
    const { body } = await get(`${gateway.url}/v1/models/demand`);
    expect(body).toEqual({ name: 'demand', ready: true, model_version_status: [available('1.0.0'), available('1.0.1')] });
    const one = await get(`${gateway.url}/v1/models/demand/versions/1.0.1`);
    expect(one.body).toMatchObject({ model_version_status: [available('1.0.1')] });
  });

  it('lists the models as KServe does', async () => {
    const { body } = await get<{ models: string[] }>(`${gateway.url}/v1/models`);
    expect(body.models).toContain('demand');
  });
});
