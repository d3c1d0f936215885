import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, expect, test } from 'vitest';
import { nodeBundle } from '../../tools/node-bundle.mjs';
import { goodRequest } from './support/raw-socket.js';
import { ask, until } from './support/requests.js';
import { openStage } from './support/stage.js';

// The real program, as a process of its own, in a home where Postgres is away: it serves its last good state.
const stage = await openStage();
const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = join(stage.folder, 'programs');
const home = join(stage.folder, 'home');

beforeAll(async () => {
  await build({
    entryPoints: ['workers/gateway.ts', 'gateway/models/inference-thread.ts', 'adapters/onnx/trial-program.ts'].map((path) =>
      join(root, path),
    ),
    outdir: programs,
    outbase: root,
    ...nodeBundle,
    logLevel: 'error',
  });
  await mkdir(join(programs, 'gateway/grpc'), { recursive: true });
  await cp(join(root, 'gateway/grpc/inference.proto'), join(programs, 'gateway/grpc/inference.proto'));
  await writeFile(join(programs, 'package.json'), '{"type":"module"}');
  await symlink(join(root, 'node_modules'), join(programs, 'node_modules'));
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'trusted.pem'), stage.publicKeyPem);
  // A gateway of this process leaves the state behind.
  const first = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }], {}, { folder: join(home, 'gateway') });
  expect((await ask(first, 'demand')).status).toBe(200);
  await first.stop();
  await cp(join(stage.folder, 'objects'), join(home, 'objects'), { recursive: true });
  // The second of two processes has a folder of its own.
  await cp(join(home, 'gateway'), join(stage.folder, 'second'), { recursive: true });
  await cp(join(stage.folder, 'second'), join(home, 'gateway', 'process-1'), { recursive: true });
});

async function startProgram(processes: number) {
  const child = spawn(process.execPath, [join(programs, 'workers/gateway.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'] ?? '',
      PERENNIAL_HOME: home,
      PERENNIAL_TRUSTED_KEYS: join(home, 'trusted.pem'),
      PERENNIAL_GATEWAY_PORT: '0',
      PERENNIAL_GATEWAY_GRPC_PORT: '0',
      PERENNIAL_GATEWAY_PROCESSES: String(processes),
      PERENNIAL_WORKFLOW_BUNDLE: 'none',
      // Nothing listens at this port.
      DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
    },
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exited.then(([code]) => Promise.reject(new Error(`the gateway ended with ${code} before it was ready`))),
  ])) as [string];
  return { child, exited, url: (JSON.parse(line) as { url: string }).url };
}

type Caller = { answered: number; stopping: boolean; readonly failures: string[] };

/**
 * Asks without a pause over kept connections, until nobody listens any more: the one end that is no failure. A connection that
 * the kernel, or the process that shares the port out, has taken but no server yet is reset when the port closes: that, too,
 * is nobody listening.
 */
async function keepAsking(url: string, told: Caller): Promise<void> {
  while (await oneConnection(url, told)) if (told.failures.length > 10) return;
}

/** One connection, as long as the server keeps it; false when nobody listened. */
function oneConnection(url: string, told: Caller): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let received = '';
    let waiting = false;
    let last = false;
    let isKept = false;
    const socket = connect(Number(port), hostname);
    const send = () => {
      received = '';
      waiting = true;
      socket.write(goodRequest('demand'));
    };
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const head = received.indexOf('\r\n\r\n');
      if (head < 0 || received.length < head + 4 + Number(/Content-Length: (\d+)/i.exec(received)?.[1])) return;
      waiting = false;
      isKept = true;
      if (received.startsWith('HTTP/1.1 200 ')) told.answered++;
      else told.failures.push(received.slice(0, 300));
      last = /\r\nConnection: close\r\n/i.test(received.slice(0, head + 2));
      if (!last) send();
    });
    let refused = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || (error.code === 'ECONNRESET' && !isKept && told.stopping)) refused = true;
      else if (waiting) told.failures.push(String(error));
    });
    socket.on('close', (hadError) => {
      if (waiting && !hadError && (isKept || !told.stopping)) told.failures.push('closed before the answer');
      resolve(!refused);
    });
  });
}

test.each([1, 2])('SIGTERM fails no request of callers that never stop asking: %i process(es)', async (processes) => {
  const { child, exited, url } = await startProgram(processes);
  const told: Caller = { answered: 0, stopping: false, failures: [] };
  const callers = Array.from({ length: 12 }, () => keepAsking(url, told));
  await until(() => told.answered > 300);
  const before = told.answered;
  told.stopping = true;
  child.kill('SIGTERM');
  await Promise.all(callers);
  expect(await exited).toEqual([0, null]);
  expect(told.failures).toEqual([]);
  // They were answered while it stopped, too.
  expect(told.answered).toBeGreaterThan(before);
});
