import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { adoptJobs } from '../../gateway/jobs/job-adoption.js';
import type { LogLine } from '../../gateway/log.js';
import { leftFolders, processFolder } from '../../workers/gateway-folders.js';
import { get, pairs, post, until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
type Job = { readonly id: string; readonly state: string; readonly progress: { readonly rows: number | null; readonly done: number } };

beforeAll(async () => {
  for (const onnx of ['slow', 'linear']) {
    await stage.addVersion({ model: onnx, version: '1.0.0', onnx });
    stage.registry.setRoute({ model: onnx, variants: [{ version: '1.0.0', weight: 1 }] });
  }
});

const submit = async (url: string, model: string, { id, rows }: { id: string; rows: readonly (readonly [number, number])[] }) =>
  await post<Job>(`${url}/v2/models/${model}/jobs`, pairs(rows), { 'idempotency-key': id });
const stateOf = async (url: string, id: string) => (await get<Job>(`${url}/v2/jobs/${id}`)).body.state;

describe('jobs of a process that is started no more', () => {
  it('go on in the one that takes them over, and their results stay readable', async () => {
    const gatewayFolder = join(stage.folder, 'fewer');
    const third = await stage.start({ folder: processFolder(gatewayFolder, 2), jobsAtOnce: 1 });
    await submit(third.url, 'linear', { id: 'ended', rows: [[1, 2]] });
    await until(async () => (await stateOf(third.url, 'ended')) === 'succeeded');
    const many = Array.from({ length: 300 }, (_, i) => [i, 1] as const);
    await submit(third.url, 'slow', { id: 'at-work', rows: many });
    await submit(third.url, 'linear', { id: 'waiting', rows: [[3, 4]] });
    await until(async () => (await get<Job>(`${third.url}/v2/jobs/at-work`)).body.progress.done > 0);
    expect(await stateOf(third.url, 'waiting')).toBe('queued');
    await third.stop();

    const left = await leftFolders(gatewayFolder, { count: 2, index: 0 });
    expect(left).toEqual([processFolder(gatewayFolder, 2)]);
    const first = await stage.start({ folder: gatewayFolder, leftFolders: left });
    const results = await fetch(`${first.url}/v2/jobs/ended/result`);
    expect(await results.text()).toContain('"outputs":{"value":21}');
    for (const id of ['at-work', 'waiting']) await until(async () => (await stateOf(first.url, id)) === 'succeeded');
    const rows = (await (await fetch(`${first.url}/v2/jobs/at-work/result`)).text()).trim().split('\n');
    expect(rows.map((line) => (JSON.parse(line) as { row: number }).row)).toEqual(many.map((_, row) => row));
    expect((await readdir(gatewayFolder)).filter((name) => name.startsWith('process-'))).toEqual([]);
  });

  it('fall to one process each, whichever of them looks', async () => {
    const folder = join(stage.folder, 'many');
    for (let index = 1; index <= 7; index++) await mkdir(processFolder(folder, index), { recursive: true });
    await mkdir(join(folder, 'process-old'));
    const taken = await Promise.all([0, 1, 2].map((index) => leftFolders(folder, { count: 3, index })));
    expect(taken).toEqual([[6, 3], [7, 4], [5]].map((found) => found.sort().map((index) => processFolder(folder, index))));
    expect(await leftFolders(join(folder, 'nowhere'), { count: 1, index: 0 })).toEqual([]);
  });

  it('are moved once when two processes take over the same folder', async () => {
    const left = join(stage.folder, 'contended', 'process-9');
    const ids = Array.from({ length: 200 }, (_, i) => `job-${i}`);
    for (const id of ids) {
      await mkdir(join(left, 'jobs', id), { recursive: true });
      await writeFile(join(left, 'jobs', id, 'job.json'), id);
    }
    const owns = ['a', 'b'].map((name) => join(stage.folder, 'contended', name));
    const log: LogLine[] = [];
    await Promise.all(owns.map((own) => adoptJobs({ left: [left], own, log: (line) => log.push(line) })));
    // What the slower of them could not finish is told, and tried again at its next start.
    await adoptJobs({ left: [left], own: owns[0]!, log: () => undefined });
    const found = await Promise.all(owns.map((own) => readdir(own).catch(() => [])));
    expect(found.flat().sort()).toEqual([...ids].sort());
    expect(log.filter(({ event }) => event === 'jobKnownTwice')).toEqual([]);
  });

  it('give way to a job of the same id that is known already', async () => {
    const [left, own] = [join(stage.folder, 'twice', 'process-2'), join(stage.folder, 'twice', 'jobs')];
    for (const [folder, text] of [
      [join(left, 'jobs'), 'theirs'],
      [own, 'ours'],
    ] as const) {
      await mkdir(join(folder, 'same'), { recursive: true });
      await writeFile(join(folder, 'same', 'job.json'), text);
    }
    const log: LogLine[] = [];
    await adoptJobs({ left: [left], own, log: (line) => log.push(line) });
    expect(log).toEqual([expect.objectContaining({ event: 'jobKnownTwice', job: 'same' }), expect.objectContaining({ jobs: 0 })]);
    expect(await readdir(join(stage.folder, 'twice'))).toEqual(['jobs']);
  });
});
