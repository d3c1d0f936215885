import { expect, it } from 'vitest';
import { openStage } from './support/stage.js';

const stage = await openStage();
await stage.addFixture('mixed');
const gateway = await stage.start();

const long = '9007199254740993';
const row = `{"a":[1,${long}],"b":${long},"flag":true,"word":"x"}`;

it.each([
  ['/v1/models/mixed:predict', 'application/json', `{"instances":[${row},${row.replace(`"b":${long}`, '"b":-5')}]}`],
  [
    '/v1/models/mixed:predict',
    'application/json',
    `{"inputs":{"a":[[1,${long}],[1,2]],"b":[${long},-5],"flag":[true,true],"word":["x","y"]}}`,
  ],
  ['/endpoints/mixed/invocations', 'application/json', `{"instances":[${row},${row.replace(`"b":${long}`, '"b":-5')}]}`],
  ['/endpoints/mixed/invocations', 'application/jsonlines', `${row}\n${row.replace(`"b":${long}`, '"b":-5')}\n`],
])('%s keeps the digits of integers beyond 2^53 in %s, and rounds only what is no integer', async (path, contentType, body) => {
  const answer = await fetch(gateway.url + path, { method: 'POST', body, headers: { 'content-type': contentType } });
  const text = await answer.text();
  expect([answer.status, text]).toEqual([200, expect.stringMatching(new RegExp(`"count":\\[?${long}[,\\]]`))]);
  expect(text).toContain('-5');
});

it('an integer that INT64 cannot hold is refused', async () => {
  const body = `{"instances":[${row.replace(`"b":${long}`, `"b":${long}${long}`)}]}`;
  const answer = await fetch(`${gateway.url}/v1/models/mixed:predict`, { method: 'POST', body });
  expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('a number from -9223372036854775808')]);
});
