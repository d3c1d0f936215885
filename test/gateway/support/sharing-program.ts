/** A program of several processes that share a port, as the gateway is one, with no models: for tests of what becomes of them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import cluster from 'node:cluster';
import { joinProcesses, superviseProcesses } from '../../../workers/gateway-processes.js';

const count = Number(process.env['SHARING_COUNT']);
const port = Number(process.env['SHARING_PORT']);
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const listening = (server: ReturnType<typeof createServer>, options: object): Promise<number> =>
  new Promise((resolve) => server.listen(options, () => resolve((server.address() as AddressInfo).port)));

if (cluster.isPrimary) {
  const all = superviseProcesses(count);
  process.once('SIGTERM', () => all.stop());
  await all.run();
  process.exit(0);
} else {
  const isAgain = process.env['PERENNIAL_GATEWAY_PROCESS_AGAIN'] === '1';
  const member = joinProcesses({ index: process.env['PERENNIAL_GATEWAY_PROCESS'] ?? null, isAgain }, ({ path }) => {
    say({ asked: path, of: member.index });
    if (path === '/throws') throw new Error('it cannot answer');
    const delayMs = Number(/\d+/.exec(path)?.[0] ?? 0);
    const answer = { status: 200, contentType: 'text/plain', body: `${path} by ${process.pid}` };
    return new Promise((resolve) => setTimeout(() => resolve(answer), delayMs));
  })!;
  process.once('SIGTERM', () => process.exit(0));
  await listening(
    createServer((_, response) => response.end(String(process.pid))),
    { port, host: '127.0.0.1' },
  );
  // A port of its own, to be told apart by.
  const own = await listening(
    createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://own');
      const victim = searchParams.get('kill');
      if (victim !== null) process.kill(Number(victim), 'SIGKILL');
      void (async () => {
        const asks: Promise<unknown>[] = [];
        // Many, so that some are sent while nobody knows of its death.
        for (let i = 0; i < (victim === null ? 1 : 300); i++) {
          if (i > 0) await new Promise((resolve) => setImmediate(resolve));
          asks.push(member.siblings.ask({ method: 'GET', path: pathname, body: '' }));
        }
        response.end(JSON.stringify((await Promise.all(asks))[0]));
      })();
    }),
    { port: 0, host: '127.0.0.1', exclusive: true },
  );
  say({ process: member.index, pid: process.pid, own });
  // One that comes back takes its time, as models do.
  await new Promise((resolve) => setTimeout(resolve, isAgain ? 1_000 : 0));
  say({ ready: member.index });
  member.ready({});
}
