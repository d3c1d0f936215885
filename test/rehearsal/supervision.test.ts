import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ProcessRecord } from '../../clients/cli/up/process-record.js';
import { SupervisedProcess } from '../../clients/cli/up/supervised-process.js';
import { worldOf } from '../../clients/cli/up/world.js';
import { archiveWorld } from '../../clients/rehearsal/archive.js';
import { identify, isRunning } from '../../tools/processes.mjs';
import { freshWorkspace } from '../support/workspace.js';

const forever = 'setInterval(() => {}, 1000);';
const ready = 'console.log(JSON.stringify({ ready: "part", pid: process.pid }));';

const started: SupervisedProcess[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((part) => part.stop()));
});

function part(program: string) {
  const { home } = freshWorkspace();
  const file = join(home, 'part.mjs');
  const logFile = join(home, 'logs', 'part.log');
  const recordFile = join(home, 'processes.json');
  writeFileSync(file, program);
  const said: string[] = [];
  const record = new ProcessRecord(recordFile);
  const supervised = new SupervisedProcess(
    { name: 'part', program: file, env: process.env, logFile, cwd: home, graceMs: 5_000 },
    { record, say: (line) => void said.push(line) },
  );
  started.push(supervised);
  const pid = () => (JSON.parse(readFileSync(recordFile, 'utf8')) as { parts: Record<string, { pid: number }> }).parts['part']?.pid ?? 0;
  return { supervised, said, pid, home, logFile, recordFile };
}

describe('a supervised process', () => {
  it('is up when it says so, is written down, and is gone after its stop', async () => {
    const { supervised, pid } = part(`${ready} ${forever}`);
    await supervised.start();
    const running = pid();
    expect(isRunning(running)).toBe(true);
    await supervised.stop();
    expect(isRunning(running)).toBe(false);
    expect(pid()).toBe(0);
  });

  it('that ends before it is ready is an error with its last words and its log', async () => {
    const { supervised, logFile } = part('console.error("part: port 8600 is taken"); process.exit(1);');
    await expect(supervised.start()).rejects.toThrow(
      `The part did not start: part: port 8600 is taken. See ${logFile}. Another program took the port in between: start again.`,
    );
  });

  it('is started again when it dies, and it is told', async () => {
    const { supervised, said, pid } = part(`${ready} ${forever}`);
    await supervised.start();
    const first = pid();
    process.kill(first, 'SIGKILL');
    await expect.poll(() => said, { timeout: 60_000 }).toHaveLength(2);
    expect(said[0]).toMatch(/^! part: it was ended by SIGKILL; starting it again in 0\.5 s/);
    expect(said[1]).toBe('✓ part runs again');
    expect(pid()).not.toBe(first);
    expect(isRunning(pid())).toBe(true);
  });

  it('is started again and stopped also while its record cannot be written', async () => {
    const { supervised, said, pid, logFile, recordFile } = part(`${ready} ${forever}`);
    await supervised.start();
    const first = pid();
    // As on a full disk: what is written does not get to its place.
    rmSync(recordFile);
    mkdirSync(join(recordFile, 'in-the-way'), { recursive: true });
    process.kill(first, 'SIGKILL');
    await expect.poll(() => said, { timeout: 60_000 }).toHaveLength(2);
    expect(said[1]).toBe('✓ part runs again');
    const [, again] = [...readFileSync(logFile, 'utf8').matchAll(/"pid":(\d+)/g)].map(([, number]) => Number(number));
    expect(isRunning(again ?? 0)).toBe(true);
    await supervised.stop();
    expect(isRunning(again ?? 0)).toBe(false);
  });

  it('is tried again for ever when it cannot come up any more', async () => {
    const { supervised, said, pid, home } = part(
      `import { existsSync, writeFileSync } from 'node:fs';
       if (existsSync('broken')) { console.error('part: the registry is away'); process.exit(1); }
       ${ready} ${forever}`,
    );
    await supervised.start();
    writeFileSync(join(home, 'broken'), '');
    process.kill(pid(), 'SIGKILL');
    await expect.poll(() => said.filter((line) => line.includes('the registry is away')).length, { timeout: 60_000 }).toBeGreaterThan(1);
  });
});

describe('the record of processes', () => {
  it('lets the next up stop what a killed one left, and only that', async () => {
    const { home } = freshWorkspace();
    const file = join(home, 'processes.json');
    const [left, other] = [bystander(), bystander()];
    writeFileSync(
      file,
      JSON.stringify({
        up: { pid: 999_999_999, started: '1' },
        parts: {
          gateway: { pid: left.pid, started: identify(left.pid ?? 0)?.started },
          // The same number, another process: it was given anew since.
          api: { pid: other.pid, started: '1' },
        },
      }),
    );
    const record = new ProcessRecord(file);
    record.refuseSecond();
    expect(await record.stopLeftovers()).toEqual(['gateway']);
    expect(isRunning(left.pid ?? 0)).toBe(false);
    expect(isRunning(other.pid ?? 0)).toBe(true);
    other.kill('SIGKILL');
  });

  it('refuses a second up beside a running one', () => {
    const { home } = freshWorkspace();
    const file = join(home, 'processes.json');
    const up = bystander();
    writeFileSync(file, JSON.stringify({ up: { pid: up.pid, started: identify(up.pid ?? 0)?.started }, parts: {} }));
    expect(() => new ProcessRecord(file).refuseSecond()).toThrow(`This world is up already: process ${up.pid} runs it.`);
    up.kill('SIGKILL');
  });
});

function bystander() {
  return spawn(process.execPath, ['-e', forever], { stdio: 'ignore' });
}

describe('a new world', () => {
  const worldAt = (home: string, more: Record<string, string> = {}) =>
    worldOf({ PERENNIAL_HOME: home, PERENNIAL_BUILD: '/nowhere', PERENNIAL_TOOLS: home, ...more });

  it('puts the old one aside whole; tools, data, keys and the token stay', async () => {
    const { home } = freshWorkspace();
    for (const folder of ['objects', 'logs', 'keys', 'bin', 'data']) mkdirSync(join(home, folder));
    writeFileSync(join(home, 'objects', 'one'), '1');
    writeFileSync(join(home, 'rehearsal.json'), '{}');
    writeFileSync(join(home, 'token'), 't');
    const archive = await archiveWorld(worldAt(home));
    expect(readFileSync(join(archive ?? '', 'objects', 'one'), 'utf8')).toBe('1');
    expect(existsSync(join(archive ?? '', 'rehearsal.json'))).toBe(true);
    expect(['objects', 'logs', 'rehearsal.json'].filter((name) => existsSync(join(home, name)))).toEqual([]);
    expect(['keys', 'bin', 'data', 'token'].filter((name) => !existsSync(join(home, name)))).toEqual([]);
  });

  it('needs nothing put aside where there was none', async () => {
    expect(await archiveWorld(worldAt(freshWorkspace().home))).toBeNull();
  });

  it('is not begun on servers that are somebody else’s', async () => {
    const world = worldAt(freshWorkspace().home, { DATABASE_URL: 'postgres://elsewhere/db' });
    await expect(archiveWorld(world)).rejects.toThrow('DATABASE_URL names a server that is not ours to empty');
  });
});
