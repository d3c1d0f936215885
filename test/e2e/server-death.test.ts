import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../adapters/postgres/database.js';
import { freePort } from '../../tools/ports.mjs';
import { isRunning } from '../../tools/processes.mjs';
import { placesFor } from '../../tools/places.mjs';
import { readEndpoints } from '../../tools/endpoints.mjs';
import { stopPostgres } from '../../tools/servers/postgres.mjs';
import { stopTemporal } from '../../tools/servers/temporal.mjs';
import { addVersion } from '../support/seed-version.js';
import { passThrough, setRoute, storePackage } from '../support/signed-package.js';
import { freshWorkspace } from '../support/workspace.js';

// `./perennial up` as it is typed, in a world and on ports of its own, whose servers are killed while the gateway is asked.
const { root } = placesFor();
const model = 'iris';

let home = '';
let env: NodeJS.ProcessEnv = {};
let up: { child: ChildProcess; text: () => string; ended: Promise<number | null> };

beforeAll(async () => {
  const workspace = freshWorkspace();
  home = workspace.home;
  const names = ['TEMPORAL_PORT', 'TEMPORAL_UI_PORT', 'POSTGRES_PORT', 'GATEWAY_PORT', 'GATEWAY_GRPC_PORT', 'API_PORT'];
  const ports = await Promise.all(names.map(() => freePort()));
  env = {
    ...process.env,
    ...workspace.environment,
    ...Object.fromEntries(names.map((name, i) => [`PERENNIAL_${name}`, String(ports[i])])),
  };
  up = perennial('up');
  await said('Ctrl-C stops all of it');
  await serveModel();
}, 180_000);

afterAll(async () => {
  if (up.child.exitCode === null) up.child.kill('SIGINT');
  await up.ended;
  await Promise.allSettled([stopPostgres({ folder: join(home, 'postgres') }), stopTemporal({ folder: join(home, 'temporal') })]);
}, 60_000);

function perennial(...args: readonly string[]): typeof up {
  const child = spawn(process.execPath, [join(root, 'perennial'), ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let heard = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (heard += chunk.toString('utf8')));
  return { child, text: () => heard, ended: new Promise((resolve) => child.once('close', resolve)) };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Waits until `up` has said something; fails at once when it ended without. */
async function said(text: string): Promise<void> {
  await until(() => up.text().includes(text) || up.child.exitCode !== null);
  expect(up.text()).toContain(text);
}

/** Registers a signed version and sends every request of its model to it. */
async function serveModel(): Promise<void> {
  const database = await openDatabase({ url: readEndpoints(join(home, 'endpoints.json')).databaseUrl ?? '', applicationName: 'e2e' });
  try {
    const files = {
      'model.onnx': readFileSync(join(root, 'test/conformance/models/iris.onnx')),
      'serving.json': Buffer.from(JSON.stringify(passThrough({ model, input: 'measures', output: 'logits' }))),
    };
    await addVersion(database.db, { model, version: '1.0.0', package: await storePackage(home, { name: `${model}-1.0.0`, files }) });
    await setRoute(database.db, { model, variants: [{ version: '1.0.0', weight: 1 }], by: 'e2e' });
  } finally {
    await database.close();
  }
  await until(async () => (await ask()).status === 200);
}

async function ask(): Promise<{ status: number; body: string }> {
  const { gateway } = readEndpoints(join(home, 'endpoints.json'));
  const body = JSON.stringify({ inputs: [{ name: 'measures', datatype: 'FP32', shape: [1, 4], data: [5.1, 3.5, 1.4, 0.2] }] });
  const answer = await fetch(`${gateway}/v2/models/${model}/infer`, { method: 'POST', body }).catch((error: unknown) => error);
  if (!(answer instanceof Response)) return { status: 0, body: String(answer) };
  return { status: answer.status, body: await answer.text() };
}

/** Asks the gateway while something goes on; answers how often and what was not a good reply. */
async function askedWhile(work: () => Promise<void>): Promise<{ answered: number; failures: string[] }> {
  const failures: string[] = [];
  let answered = 0;
  let going = true;
  const asking = (async () => {
    while (going) {
      const { status, body } = await ask();
      if (status === 200) answered += 1;
      else failures.push(`${status} ${body.slice(0, 200)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  try {
    await work();
  } finally {
    going = false;
    await asking;
  }
  return { answered, failures };
}

const postgresFolder = () => (JSON.parse(readFileSync(join(home, 'postgres.json'), 'utf8')) as { folder: string }).folder;
const postgresPid = () => Number(readFileSync(join(postgresFolder(), 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
const temporalPid = () =>
  (JSON.parse(readFileSync(join(home, 'temporal', 'server.json'), 'utf8')) as { process: { pid: number } }).process.pid;

async function command(...args: readonly string[]): Promise<string> {
  const run = perennial(...args);
  expect(await run.ended, run.text()).toBe(0);
  return run.text();
}

describe('up, when a server of it is killed', () => {
  it('tells it and starts Postgres again; the gateway answers meanwhile, and commands work afterwards', async () => {
    const { answered, failures } = await askedWhile(async () => {
      process.kill(postgresPid(), 'SIGKILL');
      await said('✓ Postgres runs again');
    });
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(up.text()).toMatch(/! Postgres was ended by SIGKILL; starting it again on the same data in [\d.]+ s \(.*postgres\.log\)/);
    expect(await command('pause', 'demand-forecast', '--reason', 'Postgres died')).toContain('Done:');
    expect(await command('audit', '--model', 'demand-forecast')).toContain('Postgres died');
  }, 300_000);

  it('tells it and starts Temporal again, and commands work afterwards', async () => {
    const { answered, failures } = await askedWhile(async () => {
      process.kill(temporalPid(), 'SIGKILL');
      await said('✓ Temporal runs again');
    });
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(0);
    expect(up.text()).toMatch(/! Temporal was ended by SIGKILL; starting it again on the same data in [\d.]+ s \(.*temporal\.log\)/);
    // What Temporal held is there: the model is still paused.
    expect(await command('resume', 'demand-forecast', '--reason', 'Temporal died')).toContain('Done:');
  }, 300_000);

  it('stops everything and fails when Postgres does not come back, with the reason and its log', async () => {
    const parts = Object.values(
      (JSON.parse(readFileSync(join(home, 'processes.json'), 'utf8')) as { parts: Record<string, { pid: number }> }).parts,
    );
    const [temporal, data] = [temporalPid(), join(postgresFolder(), 'data')];
    renameSync(join(data, 'global', 'pg_control'), join(data, 'global', 'pg_control.away'));
    process.kill(postgresPid(), 'SIGKILL');
    expect(await up.ended).toBe(1);
    expect(up.text()).toMatch(/Error: Postgres was ended by SIGKILL and was started again \d+ times in vain, last: .*pg_control/);
    expect(up.text()).toContain(join(postgresFolder(), 'postgres.log'));
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.filter(({ pid }) => isRunning(pid))).toEqual([]);
    expect(isRunning(temporal)).toBe(false);
    expect(existsSync(join(data, 'PG_VERSION'))).toBe(true);
  }, 300_000);

  it('goes on with the same data at the next start, and Ctrl-C stops everything and says so', async () => {
    const data = join(postgresFolder(), 'data');
    renameSync(join(data, 'global', 'pg_control.away'), join(data, 'global', 'pg_control'));
    up = perennial('up');
    await said('Ctrl-C stops all of it');
    expect(await command('audit', '--model', 'demand-forecast')).toContain('Postgres died');
    const servers = [postgresPid(), temporalPid()];
    up.child.kill('SIGINT');
    expect(await up.ended).toBe(0);
    expect(up.text()).toContain('everything is stopped; the next start goes on with the same data');
    expect(servers.filter((pid) => isRunning(pid))).toEqual([]);
  }, 300_000);

  it('fails with a reason when the servers that it was given are away, or no servers', async () => {
    env = { ...env, DATABASE_URL: 'bikes' };
    up = perennial('up');
    expect(await up.ended).toBe(1);
    expect(up.text()).toContain(
      'Error: DATABASE_URL is no address of a database: postgres://user:password@host:port/database is expected.',
    );
    env = { ...env, DATABASE_URL: 'postgres://127.0.0.1:1/nowhere' };
    up = perennial('up');
    expect(await up.ended).toBe(1);
    expect(up.text()).toMatch(/Error: Postgres did not answer: .*DATABASE_URL names it\.$/m);
    env = { ...env, TEMPORAL_ADDRESS: '127.0.0.1:1' };
    up = perennial('up');
    expect(await up.ended).toBe(1);
    expect(up.text()).toContain('Error: No Temporal server answers at 127.0.0.1:1 (TEMPORAL_ADDRESS)');
  }, 300_000);
});
