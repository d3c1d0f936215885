import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openFileNamedObjects } from '../../adapters/named-objects/file-named-objects.js';
import { until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addFixture('mixed');
const place = join(stage.folder, 'async');
const gateway = await stage.start({}, { named: openFileNamedObjects(place) });

/** What an asynchronous invocation puts to its place. */
async function delivered(id: string, of: { contentType: string; accept: string; body: string }): Promise<string> {
  const answer = await fetch(`${gateway.url}/endpoints/mixed/async-invocations`, {
    method: 'POST',
    body: of.body,
    headers: {
      'x-amzn-sagemaker-content-type': of.contentType,
      'x-amzn-sagemaker-accept': of.accept,
      'x-amzn-sagemaker-inference-id': id,
    },
  });
  expect([answer.status, await answer.text()]).toEqual([202, JSON.stringify({ InferenceId: id })]);
  const state = async () => ((await (await fetch(`${gateway.url}/v2/jobs/${id}`)).json()) as { state: string }).state;
  await until(async () => ['succeeded', 'failed'].includes(await state()));
  expect(await state()).toBe('succeeded');
  return readFile(join(place, 'mixed', `${id}.out`), 'utf8');
}

const csv = '1,2,9007199254740993,true,"a ""b"""\n3,4,-5,false,c\n';

it.each([
  ['text/csv', /9007199254740993,false,"a ""b"""\n.*,-5,true,"c"\n$/],
  ['application/jsonlines', /"count":9007199254740993,"opposite":false,"echo":"a \\"b\\""\}\n.*"count":-5,/],
  ['application/json', /"count":9007199254740993,.*"count":-5,/],
])('results of integers beyond 2^53 keep their digits in %s', async (accept, expected) => {
  const id = `job-${accept.replaceAll('/', '-')}`;
  expect(await delivered(id, { contentType: 'text/csv', accept, body: csv })).toMatch(expected);
});

it('and so they do in tensors', async () => {
  const inputs = [
    { name: 'a', datatype: 'FP32', shape: [1, 2], data: [1, 2] },
    { name: 'b', datatype: 'INT64', shape: [1], data: ['9007199254740993'] },
    { name: 'flag', datatype: 'BOOL', shape: [1], data: [true] },
    { name: 'word', datatype: 'BYTES', shape: [1], data: ['a'] },
  ];
  const body = JSON.stringify({ inputs }).replace('"9007199254740993"', '9007199254740993');
  const text = await delivered('tensors', { contentType: 'application/json', accept: 'application/json', body });
  expect(text).toContain('"datatype":"INT64","data":[9007199254740993]');
});
