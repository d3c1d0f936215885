import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CaptureFiles } from '../../activities/ports.js';
import { openFileCaptureFiles } from '../../adapters/captures/file-capture-files.js';
import type { LogLine } from '../../gateway/log.js';
import { CaptureSpool, type SpoolConfig } from '../../gateway/watching/capture-spool.js';
import { temporaryFolder } from '../objects/temporary-folder.js';
import { until } from './support/requests.js';

const folderName = 'demand/champion/2026/11/21/13';
const config: SpoolConfig = {
  captureFileBytes: 1_000_000,
  captureFileMs: 60_000,
  captureWaitingBytes: 1_000_000,
  captureSpoolBytes: 1_000_000,
  captureDiskUse: 0.99,
  captureDiskEveryMs: 10,
};

function open(settings: { config?: Partial<SpoolConfig>; folder?: string; target?: string; files?: Partial<CaptureFiles> } = {}) {
  const { folder = temporaryFolder(), target = temporaryFolder() } = settings;
  const log: LogLine[] = [];
  const files = { ...openFileCaptureFiles(target), ...settings.files };
  const spool = new CaptureSpool({ folder, files, config: { ...config, ...settings.config }, log: (line) => log.push(line) });
  spool.start();
  onTestFinished(() => spool.close());
  return { spool, folder, target, log };
}

/** Every file below a folder, by its path from there. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

const linesBelow = (folder: string): string[] =>
  filesBelow(folder).flatMap((path) => readFileSync(join(folder, path), 'utf8').split('\n').slice(0, -1));
const line = (i: number): string => `${JSON.stringify({ line: i })}\n`;

describe('files of captured requests', () => {
  it('are there whole, named by folder and time, when they are finished', async () => {
    const { spool, folder, target } = open();
    for (let i = 0; i < 10; i++) spool.add(folderName, line(i));
    spool.add('demand/challenger/2026/11/21/13', line(10));
    await until(() => spool.written === 11);
    expect(filesBelow(target)).toEqual([]);
    await spool.flush(5_000);
    const found = filesBelow(target);
    expect(found).toHaveLength(2);
    expect(found[0]).toMatch(/^demand\/challenger\/2026\/11\/21\/13\/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl$/);
    expect(linesBelow(target).sort()).toEqual(Array.from({ length: 11 }, (_, i) => `{"line":${i}}`).sort());
    expect(filesBelow(folder)).toEqual([]);
    expect(spool).toMatchObject({ files: 2, written: 11, waitingBytes: 0, lost: 0 });
  });

  it('are finished at their size and at their age', async () => {
    const large = open({ config: { captureFileBytes: 100 } });
    for (let i = 0; i < 20; i++) large.spool.add(folderName, line(i));
    await until(() => large.spool.files === 1);
    expect(linesBelow(large.target)).toHaveLength(20);
    large.spool.add(folderName, line(20));
    const old = open({ config: { captureFileMs: 50 } });
    old.spool.add(folderName, line(0));
    await until(() => old.spool.files === 1);
    expect(linesBelow(old.target)).toEqual(['{"line":0}']);
    expect(large.spool.files).toBe(1);
  });

  it('wait on this machine while their place is away, up to a bound that is told', async () => {
    const away: { now: boolean } = { now: true };
    const target = temporaryFolder();
    const place = openFileCaptureFiles(target);
    const put: CaptureFiles['put'] = (name, path) => (away.now ? Promise.reject(new Error('the store is away')) : place.put(name, path));
    const { spool, folder, log } = open({ target, files: { put }, config: { captureFileBytes: 1, captureSpoolBytes: 40 } });
    spool.add(folderName, line(0));
    await until(() => log.some(({ event }) => event === 'captureFilesDelayed'));
    expect(log).toContainEqual({ level: 'error', event: 'captureFilesDelayed', reason: 'the store is away' });
    expect(spool.admits()).toBe(true);
    for (let i = 1; i < 10; i++) spool.add(folderName, line(i));
    await until(() => log.some(({ event }) => event === 'captureSpoolFull'));
    expect(spool.admits()).toBe(false);
    expect(spool.lost).toBe(1);
    await expect(spool.flush(50)).rejects.toThrow('not stored after 50 ms: the store is away');
    expect(linesBelow(folder)).toHaveLength(10);
    away.now = false;
    await spool.flush(5_000);
    expect(linesBelow(target)).toHaveLength(10);
    expect(spool.admits()).toBe(true);
  });

  it('are thinned out when lines come faster than they can be written, and every refusal is counted', () => {
    const { spool } = open({ config: { captureWaitingBytes: 1_000 } });
    let taken = 0;
    // Nothing is written within this one turn of the event loop.
    for (let i = 0; i < 1_000; i++) {
      if (!spool.admits()) continue;
      taken++;
      spool.add(folderName, `${'x'.repeat(9)}\n`);
    }
    expect(spool.waitingBytes).toBe(taken * 10);
    expect(taken).toBeGreaterThan(50);
    expect(taken).toBeLessThanOrEqual(100);
    expect(spool.thinned + taken).toBe(1_000);
  });

  it('stop loudly when the disk is nearly full, and go on by themselves', async () => {
    let use = 0.5;
    const { spool, target, log } = open({ files: { diskUse: () => Promise.resolve(use) }, config: { captureDiskUse: 0.9 } });
    expect(spool.admits()).toBe(true);
    spool.add(folderName, line(0));
    await until(() => spool.written === 1);
    use = 0.95;
    await until(() => spool.stopped);
    expect(log).toContainEqual({
      level: 'error',
      event: 'captureFilesStopped',
      reason: expect.stringMatching(/^95% of the disk is in use; 90% is the limit\. Requests are answered, but not captured/),
    });
    expect(spool.admits()).toBe(false);
    expect(spool.admits()).toBe(false);
    expect(spool.lost).toBe(2);
    // Not at once below the limit: it would go on and off around it.
    use = 0.89;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(spool.stopped).toBe(true);
    use = 0.8;
    await until(() => !spool.stopped);
    expect(log).toContainEqual({ level: 'info', event: 'captureFilesResumed', lost: 2 });
    expect(spool.admits()).toBe(true);
    spool.add(folderName, line(1));
    await spool.flush(5_000);
    expect(linesBelow(target)).toEqual(['{"line":0}', '{"line":1}']);
    expect(log.filter(({ event }) => event === 'captureFilesStopped')).toHaveLength(1);
  });
});

describe('what a killed gateway leaves', () => {
  it('is finished by the next one: whole lines are kept, a torn one is cut off and counted', async () => {
    const [folder, target] = [temporaryFolder(), temporaryFolder()];
    const program = join(temporaryFolder(), 'dying-spool.mjs');
    await build({
      entryPoints: [new URL('dying-spool.ts', import.meta.url).pathname],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'esm',
    });
    const child = spawn(process.execPath, [program, JSON.stringify({ folder, target, config })], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('close', resolve));
    const [left] = filesBelow(folder);
    expect(left).toMatch(/\.jsonl\.part$/);
    // Of a gateway that lives, nothing is taken.
    const beside = open({ folder, target });
    await beside.spool.flush(100);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(filesBelow(folder)).toEqual([left]);
    child.kill('SIGKILL');
    await ended;
    // As a write that the kill has met in the middle leaves it.
    appendFileSync(join(folder, left!), '{"line":1');
    const { spool, log } = open({ folder, target });
    await until(() => spool.files === 1);
    expect(linesBelow(target)).toEqual(Array.from({ length: 100 }, (_, i) => `{"line":${i}}`));
    expect(spool).toMatchObject({ recoveredFiles: 1, tornLines: 1 });
    expect(log).toContainEqual({ level: 'info', event: 'captureFilesRecovered', files: 1, tornLines: 1 });
    expect(filesBelow(folder)).toEqual([]);
  });

  it('with nothing but a torn line is dropped and counted; a finished file is taken as it is', async () => {
    const [folder, target] = [temporaryFolder(), temporaryFolder()];
    // A process of that number cannot be: Linux counts to four millions.
    const gone = join(folder, `${hostname()}~99999999~aa`);
    mkdirSync(gone);
    writeFileSync(join(gone, 'demand!champion!2026!11!21!12!a.jsonl.part'), '{"torn":');
    writeFileSync(join(gone, 'demand!champion!2026!11!21!12!b.jsonl'), line(1));
    const { spool } = open({ folder, target });
    await until(() => spool.files === 1);
    expect(filesBelow(target)).toEqual(['demand/champion/2026/11/21/12/b.jsonl']);
    expect(spool).toMatchObject({ recoveredFiles: 1, tornLines: 1 });
    expect(filesBelow(folder)).toEqual([]);
  });
});
