import { InvokeEndpointAsyncCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { cp, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NamedObjects } from '../../activities/ports.js';
import { openFileNamedObjects } from '../../adapters/named-objects/file-named-objects.js';
import { JobFolder } from '../../gateway/jobs/job-folder.js';
import type { QueueDeps } from '../../gateway/jobs/job-queue.js';
import { JobQueue } from '../../gateway/jobs/job-queue.js';
import type { JobRecord } from '../../gateway/jobs/job-record.js';
import { until } from './support/requests.js';
import { openStage } from './support/stage.js';

const stage = await openStage();

const record = (id: string, more: Partial<JobRecord> = {}): JobRecord => ({
  format: 1,
  id,
  model: 'demand',
  version: null,
  input: { kind: 'json' },
  submitted: 'sha256:0',
  source: null,
  delivery: null,
  state: 'succeeded',
  reason: null,
  rows: 1,
  done: 1,
  failed: 0,
  outputs: [],
  submittedMs: 1,
  startedMs: 1,
  endedMs: 1,
  ...more,
});

/** A queue whose jobs nobody works on. */
function idleQueue(folder: JobFolder) {
  const logged: string[] = [];
  const config = { jobsAtOnce: 0, maxJobs: 10, jobLimitMs: 60_000, jobTtlMs: 1_000, drainLimitMs: 1_000 };
  const deps = { folder, config, log: ({ event }: { event: string }) => void logged.push(event) } as unknown as QueueDeps;
  return { queue: new JobQueue(deps), logged };
}

const submission = (id: string) => ({
  model: 'demand',
  version: null,
  input: { kind: 'json' } as const,
  source: null,
  submitted: 'sha256:0',
  id,
  body: Buffer.from('{}'),
  delivery: null,
});

async function openFiles(named: string): Promise<number> {
  const links = await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return links.filter((link) => link.endsWith(named)).length;
}

describe('an asynchronous invocation', () => {
  it('is delivered whole by the next start, when all its rows were done before the gateway was killed', async () => {
    await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    const place = openFileNamedObjects(join(stage.folder, 'async'));
    const [first, second] = ['first', 'second'].map((name) => join(stage.folder, name)) as [string, string];
    let delivered = 0;
    const named: NamedObjects = {
      ...place,
      putFile: async (...of) => {
        // What a killed gateway leaves at this moment.
        if (++delivered === 1) await cp(join(first, 'jobs'), join(second, 'jobs'), { recursive: true });
        return place.putFile(...of);
      },
    };
    const rows = 128;
    const column = (name: string, datatype: string, value: number) => ({
      name,
      datatype,
      shape: [rows],
      data: Array<number>(rows).fill(value),
    });
    const gateway = await stage.start({ folder: first }, { named });
    const client = new SageMakerRuntimeClient({
      endpoint: gateway.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    await client.send(
      new InvokeEndpointAsyncCommand({
        EndpointName: 'demand',
        ContentType: 'application/json',
        InferenceId: 'whole',
        Body: Buffer.from(JSON.stringify({ inputs: [column('hour', 'INT64', 0), column('a', 'FP64', 1), column('b', 'FP64', 2)] })),
      } as never),
    );
    const result = join(stage.folder, 'async', 'demand', 'whole.out');
    const read = async () => JSON.parse(await readFile(result, 'utf8')) as { outputs: { data: number[] }[] };
    await until(() =>
      read()
        .then(() => true)
        .catch(() => false),
    );
    const before = await read();
    expect(before.outputs[0]!.data).toHaveLength(rows);
    await gateway.stop();
    await writeFile(result, '{}');

    const next = await stage.start({ folder: second }, { named });
    await until(async () => (await readFile(result, 'utf8')) !== '{}');
    expect(await read()).toEqual(before);
    client.destroy();
    await next.stop();
  });

  it('does not keep the gateway from stopping when its place does not answer', async () => {
    const named = { ...openFileNamedObjects(join(stage.folder, 'hung')), putFile: () => new Promise<never>(() => undefined) };
    const folder = join(stage.folder, 'hung-jobs');
    const jobs = new JobFolder(join(folder, 'jobs'));
    const delivery = { format: 'csv', output: 'a.out', failure: 'a.err', beginByMs: Date.now() + 60_000, limitMs: 60_000 } as const;
    const input = { kind: 'csv' } as const;
    await mkdir(join(folder, 'jobs'), { recursive: true });
    await jobs.create(
      record('hung', { state: 'queued', input, delivery, rows: null, endedMs: null, startedMs: null }),
      Buffer.from('0,1,2'),
    );
    const gateway = await stage.start({ folder, drainLimitMs: 200 }, { named });
    await until(async () => (await readdir(join(folder, 'jobs', 'hung'))).includes('result.jsonl.out'));
    await gateway.stop();
  });
});

describe('the jobs that are kept', () => {
  it('stay where they are when they cannot be read now; what was never whole goes', async () => {
    const at = join(stage.folder, 'kept-jobs');
    const folder = new JobFolder(at);
    await folder.create(record('good'), null);
    await mkdir(join(at, 'half'), { recursive: true });
    await writeFile(join(at, 'half', 'input'), '{}');
    // Read with an error that is no "there is none".
    await mkdir(join(at, 'unreadable', 'job.json'), { recursive: true });
    await mkdir(join(at, 'newer'), { recursive: true });
    await writeFile(join(at, 'newer', 'job.json'), '{"format":2,"id":"newer"}');
    expect((await folder.list()).map(({ id }) => id)).toEqual(['good']);
    expect((await readdir(at)).sort()).toEqual(['good', 'newer', 'unreadable']);
  });

  it('go one by one when their time is over, whatever becomes of one of them', async () => {
    const folder = new JobFolder(join(stage.folder, 'swept-jobs'));
    for (const id of ['a', 'b', 'c']) await folder.create(record(id), null);
    const { queue, logged } = idleQueue(folder);
    const remove = folder.remove.bind(folder);
    folder.remove = (id) => (id === 'b' ? Promise.reject(new Error('EBUSY')) : remove(id));
    await queue.open();
    expect(queue.size).toBe(0);
    expect(logged).toContain('jobNotRemoved');
    expect(await readdir(join(stage.folder, 'swept-jobs'))).toEqual(['b']);
    await queue.close();
  });

  it('are cancelled for good, also before they were kept', async () => {
    const at = join(stage.folder, 'early-jobs');
    const folder = new JobFolder(at);
    const { queue } = idleQueue(folder);
    await queue.open();
    let keep: () => void = () => undefined;
    const create = folder.create.bind(folder);
    folder.create = async (...of) => {
      await new Promise<void>((resolve) => (keep = resolve));
      return create(...of);
    };
    const submitted = queue.submit(submission('early'));
    const removed = queue.remove('early');
    keep();
    await submitted;
    expect((await removed).state).toBe('cancelled');
    expect(JSON.parse(await readFile(join(at, 'early', 'job.json'), 'utf8'))).toMatchObject({ state: 'cancelled' });
    await queue.close();
  });

  it('do not mix with the next of their name while they are removed', async () => {
    const at = join(stage.folder, 'named-again');
    const folder = new JobFolder(at);
    await folder.create(record('same', { endedMs: Date.now() }), null);
    const { queue } = idleQueue(folder);
    await queue.open();
    let go: () => void = () => undefined;
    const remove = folder.remove.bind(folder);
    folder.remove = async (id) => {
      await new Promise<void>((resolve) => (go = resolve));
      return remove(id);
    };
    const removed = queue.remove('same');
    const submitted = queue.submit(submission('same'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    go();
    await removed;
    expect(await submitted).toMatchObject({ isNew: true });
    expect(await readdir(join(at, 'same'))).toEqual(['input', 'job.json']);
    await queue.close();
  });

  it('have no file open for a result that nobody reads', async () => {
    const folder = new JobFolder(join(stage.folder, 'unread-jobs'));
    await folder.create(record('unread', { endedMs: Date.now() }), null);
    await folder.append('unread', '{"row":0}\n');
    const { queue } = idleQueue(folder);
    await queue.open();
    const results = queue.results('unread');
    expect(await openFiles('unread/result.jsonl')).toBe(0);
    let text = '';
    for await (const piece of results) text += String(piece);
    expect(text).toBe('{"row":0}\n');
    await queue.close();
  });
});
