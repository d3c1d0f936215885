import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { httpJson } from '../../clients/client/http-json.js';

test('one that does not answer is to be started, one that takes the connection and is silent is to be looked at', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/`);
  const connections = new Set<{ destroy(): void }>();
  silent.on('connection', (socket) => connections.add(socket));
  await expect(httpJson({ what: 'the gateway', url, timeoutMs: 50 })).rejects.toMatchObject({
    type: 'Unavailable',
    message: `The gateway does not answer at ${url.origin}: no answer in time. It runs, but is too busy or hangs: try again, or look at its log in .perennial/logs.`,
  });
  for (const connection of connections) connection.destroy();
  await new Promise((resolve) => silent.close(resolve));
  await expect(httpJson({ what: 'the gateway', url })).rejects.toMatchObject({
    type: 'Unavailable',
    message: expect.stringMatching(/ECONNREFUSED.*\. Start the stack with \.\/perennial up\.$/) as string,
  });
});
