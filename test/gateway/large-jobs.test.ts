import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { readKeptJson } from '../../gateway/jobs/kept-json.js';
import { get, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

describe('the places of instances in a kept input', () => {
  test.each([
    '{"instances":[1]}',
    ' { "instances" : [ 1 , "a,b" ,\n[2,[3]],{"c":[4,5]} ] } ',
    '{"a":{"instances":[9]},"b":"instances","c":["instances"],"instances":[{"instances":[1]}]}',
    '{"\\u0069nstances":["]","\\"]",",\\\\",{"}":"{"}],"id":"x"}',
    '{"instances":["\u00e9","\ud83d\ude00,"],"more":[1,2]}',
  ])('%s', (text) => {
    const json = Buffer.from(text);
    const kept = readKeptJson(json, 10);
    if (kept.kind !== 'instances') return expect.fail('it has instances');
    const found = Array.from(kept.places.subarray(1), (end, i) => JSON.parse(json.toString('utf8', kept.places[i], end - 1)) as unknown);
    expect(found).toEqual((JSON.parse(text) as { instances: unknown[] }).instances);
  });

  test('are not looked for where there are none', () => {
    expect(() => readKeptJson(Buffer.from('{"instances":[]}'), 10)).toThrow('instances is empty');
    expect(() => readKeptJson(Buffer.from('{"instances":1}'), 10)).toThrow('inputs is missing');
    expect(() => readKeptJson(Buffer.from('{"instances":[[[1]]]}'), 2)).toThrow('nesting depth');
  });
});

describe('a job whose input is read in a thread', async () => {
  const stage = await openStage();
  await stage.addFixture('identity-cube');
  const settings = { jobSliceRows: 4 };
  const atOnce = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { ...settings, bodyThreadBytes: Infinity });
  const inThread = await stage.start({ ...settings, bodyThreadBytes: 0, folder: `${stage.folder}/other` });
  const byDefault = await stage.start({ ...settings, folder: `${stage.folder}/third` });

  const threaded = async () =>
    Number(/^gateway_bodies_in_thread_total (\d+)/m.exec((await get<string>(`${inThread.url}/metrics`)).body)![1]);

  /** What a job came to: its record and its lines, without what each job has of its own. */
  async function done(gateway: Gateway, model: string, body: string) {
    const submitted = await post<{ id: string; error?: string }>(`${gateway.url}/v2/models/${model}/jobs`, body);
    if (submitted.status !== 202) return { status: submitted.status, error: submitted.body.error };
    const { id } = submitted.body;
    let job: { state?: string; error?: string; submitted?: string; progress?: { rows: number | null } } = {};
    await until(async () => {
      job = (await get<typeof job>(`${gateway.url}/v2/jobs/${id}`)).body;
      return job.state === 'succeeded' || job.state === 'failed';
    });
    const lines = await (await fetch(`${gateway.url}/v2/jobs/${id}/result`)).text();
    const { state, error, progress, submitted: digest } = job;
    return { state, error, progress: progress!, digest, lines: lines.replaceAll(id, '…') };
  }

  const rows = Array.from({ length: 10 }, (_, i) => [3_600_000 * i, i, 2 * i]);
  const inputs = (data: unknown): string =>
    JSON.stringify({
      inputs: [
        { name: 'hour', datatype: 'INT64', shape: [10], data: rows.map(([hour]) => hour) },
        { name: 'a', datatype: 'FP64', shape: [10, 1], data },
        { name: 'b', datatype: 'FP64', shape: [10], data: rows.map(([, , b]) => b) },
      ],
    });
  const cube = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  const cases: readonly (readonly [what: string, model: string, body: string])[] = [
    ['instances', 'demand', JSON.stringify({ instances: rows })],
    ['instances, some of them wrong', 'demand', JSON.stringify({ instances: rows.map((row, i) => (i % 3 === 1 ? [i] : row)) })],
    ['tensors', 'demand', inputs(rows.map(([, a]) => a))],
    ['tensors with ragged rows', 'demand', inputs(rows.map(([, a], i) => (i === 5 ? [a, a] : i === 6 ? [] : [a])))],
    ['tensors with a wrong element', 'demand', inputs(rows.map(([, a], i) => (i === 5 ? 'x' : a)))],
    ['tensors with too few rows', 'demand', inputs([[1], [2]])],
    [
      'rows of several dimensions',
      'identity-cube',
      JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [5, 2, 3], data: Array(5).fill(cube) }] }),
    ],
    ['no instances', 'demand', '{"instances":[]}'],
    ['what is no request', 'demand', '{"id":"x"}'],
    ['what is no JSON', 'demand', '{"instances":[1'],
    ['a wrong reference', 'demand', '{"input":{"digest":"x","format":"csv"}}'],
  ];

  test.each(cases)('of %s: comes to what it does when it is read at once', async (_what, model, body) => {
    const before = await threaded();
    const came = await done(inThread, model, body);
    // Once when it is taken, once for its rows to be counted, once for them to be predicted.
    expect(await threaded()).toBe(before + ('status' in came ? 1 : came.progress.rows === null ? 2 : 3));
    expect(came).toEqual(await done(atOnce, model, body));
  });

  test.each(cases.slice(0, 4))('of %s in more than a megabyte does so too', async (_what, model, body) => {
    const { digest: _, ...came } = (await done(byDefault, model, body + ' '.repeat(1_200_000))) as Record<string, unknown>;
    const { digest: __, ...small } = (await done(atOnce, model, body)) as Record<string, unknown>;
    expect(came).toEqual(small);
  });

  test('of CSV of more than a megabyte has its digest', async () => {
    const body = `${rows.map((row) => row.join(',')).join('\n')}${'\n'.repeat(2_500_000)}`;
    const submitted = await post<{ id: string; submitted: string }>(`${byDefault.url}/v2/models/demand/jobs`, body, {
      'content-type': 'text/csv',
    });
    expect(submitted.body.submitted).toBe(`sha256:${createHash('sha256').update(body).digest('hex')}`);
  });

  test('labels are read there too, and refused in the same words', async () => {
    const labels = async (gateway: Gateway, body: unknown) => {
      const { status, body: told } = await post<unknown>(`${gateway.url}/v2/models/demand/labels`, body);
      return { status, told };
    };
    for (const body of [
      {
        labels: [
          { id: 'nobody', value: 1 },
          { subject: 7, value: 2, event_time_ms: 5 },
        ],
      },
      { labels: [{ id: 'a', value: 'x' }] },
      { labels: Array.from({ length: 10_001 }, () => ({})) },
      {},
    ]) {
      const before = await threaded();
      expect(await labels(inThread, body)).toEqual(await labels(atOnce, body));
      expect(await threaded()).toBe(before + 1);
    }
  });
});
