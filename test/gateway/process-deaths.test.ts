import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nodeBundle } from '../../tools/node-bundle.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let port: number;
let primary: ChildProcess;
let lines: Record<string, unknown>[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perennial-processes-'));
  const entry = join(root, 'test/gateway/support/sharing-program.ts');
  await build({ entryPoints: [entry], outfile: join(folder, 'program.js'), ...nodeBundle, logLevel: 'error' });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
});
beforeEach(async () => {
  port = await freePort();
  lines = [];
  const env = { PATH: process.env['PATH'] ?? '', SHARING_COUNT: '2', SHARING_PORT: String(port) };
  primary = spawn(process.execPath, [join(folder, 'program.js')], { stdio: ['ignore', 'pipe', 'inherit'], env });
  createInterface({ input: primary.stdout! }).on('line', (line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  await said(({ ready }) => ready === 'gateway');
});
afterEach(async () => {
  if (primary.exitCode !== null || primary.signalCode !== null) return;
  primary.kill('SIGTERM');
  await once(primary, 'exit');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Resolves when so many lines of this kind were said. */
async function said(is: (line: Record<string, unknown>) => boolean, times = 1): Promise<void> {
  while (lines.filter(is).length < times) {
    expect(primary.exitCode).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The newest process of a number. */
function member(index: number): { pid: number; own: number } {
  return lines.findLast((line) => line['process'] === index) as { pid: number; own: number };
}

/** What is answered on a connection of its own. */
const get = (at: number, path = '/'): Promise<string> =>
  new Promise((resolve, reject) => {
    httpGet({ port: at, host: '127.0.0.1', path, agent: false }, (response) => void text(response).then(resolve, reject)).once(
      'error',
      reject,
    );
  });
const answersTo = async (index: number, path: string) =>
  JSON.parse(await get(member(index).own, path)) as { index: number; status: number; body: string }[];

describe('a process that is killed', () => {
  it.each([0, 1])('leaves no caller waiting: the connection that was on its way to it goes to another one (%i)', async (index) => {
    const { pid } = member(index);
    const other = String(member(1 - index).pid);
    // It takes nothing any more, but nobody knows yet.
    process.kill(pid, 'SIGSTOP');
    const answers = Array.from({ length: 6 }, () => get(port));
    await Promise.race(answers);
    process.kill(pid, 'SIGKILL');
    expect(await Promise.all(answers)).toEqual(Array<string>(6).fill(other));
  });

  it('takes no other with it, whatever is sent to it meanwhile', async () => {
    for (let round = 1; round <= 4; round++) {
      const victim = member(1).pid;
      const answers = await answersTo(0, `/0?kill=${victim}`);
      expect(answers.length).toBeLessThanOrEqual(1);
      await said((line) => line['ready'] === 1, round + 1);
    }
    expect(await get(port)).not.toBe('');
  });

  it('does not have its successor get what it had asked for', async () => {
    const before = get(member(1).own, '/2500').catch(() => 'gone');
    await said(({ asked }) => asked === '/2500');
    process.kill(member(1).pid, 'SIGKILL');
    expect(await before).toBe('gone');
    await said((line) => line['process'] === 1, 2);
    const [answer] = await answersTo(1, '/3000');
    expect(answer?.body).toBe(`/3000 by ${member(0).pid}`);
  });
});

describe('a process that comes back', () => {
  it('is asked nothing before it serves', async () => {
    process.kill(member(1).pid, 'SIGKILL');
    await said((line) => line['process'] === 1, 2);
    expect(await answersTo(0, '/0')).toEqual([]);
    await said((line) => line['ready'] === 1, 2);
    while ((await answersTo(0, '/1')).length === 0);
    expect(lines.filter(({ asked, of }) => asked === '/0' && of === 1)).toEqual([]);
  });
});

it('answers that it cannot, and lives, when an answer fails', async () => {
  const { pid } = member(1);
  const answers = await answersTo(0, '/throws');
  expect(answers.map(({ index, status }) => ({ index, status }))).toEqual([{ index: 1, status: 500 }]);
  expect(member(1).pid).toBe(pid);
  expect(await answersTo(0, '/0')).toMatchObject([{ index: 1, status: 200 }]);
});
