import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { afterAll, expect, it } from 'vitest';
import { askLive } from '../../clients/rehearsal/story/ask-live.js';
import { temporaryFolder } from '../objects/temporary-folder.js';

// In a thread of its own: curl is waited for without giving this one's event loop a turn.
const server = new Worker(
  `const { createServer } = require('node:http');
   const { parentPort } = require('node:worker_threads');
   const server = createServer((request, response) => {
     const known = request.url === '/open' || request.headers.authorization === 'Bearer the-token';
     request.resume().on('end', () => response.writeHead(known ? 200 : 401).end(known ? '{"a":1}' : '{"error":"a key is wanted"}'));
   });
   server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
  { eval: true },
);
const [port] = (await once(server, 'message')) as [number];
afterAll(() => server.terminate());

const question = (path: string, tokenFile = 'unread') => ({
  url: `http://127.0.0.1:${port}${path}`,
  body: '{}',
  token: 'the-token',
  tokenFile,
});

it('asks as anybody may where no key is wanted, and names no token', async () => {
  const { command, answer } = await askLive(question('/open'));
  expect(answer).toBe('{"a":1}');
  expect(command).not.toMatch(/authorization/i);
});

it('shows the token where a key is wanted, by a command that reads it from its file', async () => {
  const tokenFile = join(temporaryFolder(), 'token');
  writeFileSync(tokenFile, 'the-token\n');
  const { command, answer } = await askLive(question('/closed', tokenFile));
  expect(answer).toBe('{"a":1}');
  expect(command).toBe(
    `curl -s http://127.0.0.1:${port}/closed -H 'content-type: application/json' -H "authorization: Bearer $(cat ${tokenFile})" -d '{}'`,
  );
});
