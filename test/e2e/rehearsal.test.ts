import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../tools/ports.mjs';
import { isRunning } from '../../tools/processes.mjs';
import { placesFor } from '../../tools/places.mjs';
import { freshWorkspace } from '../support/workspace.js';
import { stopPostgres } from '../../tools/servers/postgres.mjs';
import { stopTemporal } from '../../tools/servers/temporal.mjs';

// What a person sees: ./perennial as it is typed, on the real data, in a world and on ports of its own. Fast, with few callers.
const story = ['up', '--rehearse', '--speed', '1000', '--callers', '120'];
const { root } = placesFor();
const storyMs = 540_000;

type Run = {
  readonly child: ChildProcess;
  readonly text: () => string;
  readonly stdout: () => string;
  readonly ended: Promise<number | null>;
};

let home = '';
let env: NodeJS.ProcessEnv = {};
const running: Run[] = [];

beforeAll(async () => {
  const workspace = freshWorkspace();
  home = workspace.home;
  // All of them: a default port may be taken between being chosen and being listened on, by a gateway of another test.
  const names = ['TEMPORAL_PORT', 'TEMPORAL_UI_PORT', 'POSTGRES_PORT', 'GATEWAY_PORT', 'GATEWAY_GRPC_PORT', 'API_PORT'];
  const ports = await Promise.all(names.map(() => freePort()));
  const chosen = Object.fromEntries(names.map((name, index) => [`PERENNIAL_${name}`, String(ports[index])]));
  env = { ...process.env, ...workspace.environment, ...chosen };
});

afterAll(async () => {
  const { parts } = recorded();
  for (const { pid } of Object.values(parts)) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  await Promise.allSettled([stopPostgres({ folder: join(home, 'postgres') }), stopTemporal({ folder: join(home, 'temporal') })]);
});

function perennial(...args: readonly string[]): Run {
  const child = spawn(process.execPath, [join(root, 'perennial'), ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const heard = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (heard.stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (heard.stderr += chunk.toString('utf8')));
  const run: Run = {
    child,
    text: () => heard.stdout + heard.stderr,
    stdout: () => heard.stdout,
    ended: new Promise((resolve) => child.once('close', resolve)),
  };
  running.push(run);
  return run;
}

const recorded = (): { parts: Record<string, { pid: number }> } => {
  const file = join(home, 'processes.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { parts: Record<string, { pid: number }> }) : { parts: {} };
};
const rehearsal = () =>
  JSON.parse(readFileSync(join(home, 'rehearsal.json'), 'utf8')) as { first: string; requests: number; failed: number };
/** Waits until a run has said something; fails at once when it ended without. */
const seen = async (run: Run, text: string) => {
  const said = () => run.text().includes(text);
  await expect.poll(() => said() || run.child.exitCode !== null, { timeout: storyMs, interval: 200 }).toBe(true);
  if (!said()) throw new Error(`it ended with ${run.child.exitCode} before it said "${text}":\n${run.text()}`);
};

afterEach(async () => {
  for (const { child, ended } of running.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

describe('the rehearsal', () => {
  it(
    'goes on after its up was killed in the middle of the replayed week, and Ctrl-C stops all of it',
    async () => {
      const first = perennial(...story, '--yes');
      await seen(first, 'of 168 h');
      const left = recorded().parts;
      first.child.kill('SIGKILL');
      await first.ended;
      expect(Object.values(left).every(({ pid }) => isRunning(pid))).toBe(true);
      const run = rehearsal().first;

      const second = perennial(...story, '--yes');
      await seen(second, 'As of 2011-11-01 02:00 UTC');
      expect(second.text()).toContain('stopped what an earlier start left: ');
      expect(rehearsal()).toMatchObject({ first: run, failed: 0 });
      expect(Object.values(left).some(({ pid }) => isRunning(pid))).toBe(false);

      const parts = Object.values(recorded().parts);
      second.child.kill('SIGINT');
      expect(await second.ended).toBe(130);
      expect(second.text()).toContain('the next start goes on where it was');
      expect(parts.some(({ pid }) => isRunning(pid))).toBe(false);
    },
    storyMs,
  );

  it(
    'tells a whole lifecycle in a new world, prints one JSON line last, and ends',
    async () => {
      const old = existsSync(join(home, 'rehearsal.json'));
      const run = perennial(...story, '--once', '--yes', '--json');
      expect(await run.ended, run.text()).toBe(0);
      if (old) expect(readdirSync(join(home, 'archive'))).toHaveLength(1);

      expect(run.stdout().trim().split('\n')).toHaveLength(1);
      const result = JSON.parse(run.stdout()) as {
        model: string;
        champion: string;
        setupSeconds: number;
        seconds: number;
        runs: { run: string; version: string; outcome: string; reason: string; metrics: unknown[]; gates: { outcome: string }[] }[];
      };
      expect(Object.keys(result)).toEqual(['model', 'runs', 'champion', 'setupSeconds', 'seconds']);
      expect(result.model).toBe('demand-forecast');
      const [first, second] = result.runs;
      expect(first).toMatchObject({ version: '1.0.0', outcome: 'promoted' });
      expect(first?.run).toMatch(/^2011-10-01t00-/);
      // What the data says decides about the next version; it is told either way.
      expect(second?.run).toMatch(/^2011-11-01t02-/);
      expect(['promoted', 'rolledBack', 'gateRefused']).toContain(second?.outcome);
      expect(result.champion).toBe(second?.outcome === 'promoted' ? second.version : '1.0.0');
      for (const one of result.runs) {
        expect(Object.keys(one)).toEqual(['run', 'version', 'outcome', 'reason', 'metrics', 'gates', 'seconds']);
        expect(one.metrics.length).toBeGreaterThan(0);
        expect(one.reason).not.toBe('');
      }
      expect(rehearsal()).toMatchObject({ failed: 0 });
      expect(rehearsal().requests).toBeGreaterThan(168 * 100);
      if (second?.outcome !== 'gateRefused') expect(run.text()).toContain('decided by --yes, without a look');
      expect(run.text()).toContain('rentals, predicted by');
    },
    storyMs,
  );

  it(
    'keeps and serves a finished world',
    async () => {
      const run = perennial(...story);
      await seen(run, 'Everything keeps running');
      expect(run.text()).toContain('This world has told its story already');
      expect(run.text()).toContain('rentals, predicted by');
      run.child.kill('SIGINT');
      expect(await run.ended).toBe(0);
    },
    storyMs,
  );
});
