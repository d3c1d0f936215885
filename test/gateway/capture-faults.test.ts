import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Capture } from '../../activities/ports.js';
import { openFileCaptureFiles } from '../../adapters/captures/file-capture-files.js';
import { openFileCaptureUpkeep } from '../../adapters/captures/file-capture-upkeep.js';
import { PerennialError } from '../../domain/errors.js';
import { CaptureBuffer } from '../../gateway/watching/capture-buffer.js';
import { CaptureSpool } from '../../gateway/watching/capture-spool.js';
import { processFolder, seedFolder } from '../../workers/gateway-folders.js';
import { temporaryFolder } from '../objects/temporary-folder.js';
import { post, until } from './support/requests.js';
import { identity, openStage } from './support/stage.js';

const captureOf = (id: string): Capture => ({
  id,
  model: 'demand',
  version: '1.0.0',
  shadow: false,
  generation: 1,
  key: null,
  subject: id,
  eventTimeMs: 1,
  atMs: 1,
  latencyMs: 1,
  predicted: 1,
  error: null,
  inputs: {},
});

describe('a capture that the store refuses', () => {
  it('takes no other with it', async () => {
    const stored: string[] = [];
    const store = {
      write: async (captures: readonly Capture[]) => {
        const bad = captures.find(({ id }) => id.startsWith('bad'));
        if (bad !== undefined) throw new PerennialError('DataInvalid', `${bad.id} is out of range`);
        stored.push(...captures.map(({ id }) => id));
      },
      label: async () => ({ stored: 0, refused: [] }),
    };
    const buffer = new CaptureBuffer(store, { everyMs: 1, batchRows: 50, maxRows: 10_000, busyAfterMs: Infinity });
    onTestFinished(() => buffer.close());
    const ids = Array.from({ length: 1_000 }, (_, i) => (i === 17 || i === 480 || i === 481 || i === 999 ? `bad-${i}` : `${i}`));
    for (const id of ids) buffer.add(captureOf(id));
    await buffer.flush(10_000);
    expect(stored).toEqual(ids.filter((id) => !id.startsWith('bad')));
    expect(buffer).toMatchObject({ dropped: 4, written: 996, waiting: 0 });
  });

  it('after the store was away does not keep the next from being stored', async () => {
    const failures: Error[] = [new Error('the store is away'), new PerennialError('DataInvalid', 'it is out of range')];
    const stored: string[] = [];
    const store = {
      write: async (captures: readonly Capture[]) => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        stored.push(...captures.map(({ id }) => id));
      },
      label: async () => ({ stored: 0, refused: [] }),
    };
    const buffer = new CaptureBuffer(store, { everyMs: 1, batchRows: 50, maxRows: 10_000, busyAfterMs: Infinity });
    onTestFinished(() => buffer.close());
    buffer.add(captureOf('bad'));
    await until(() => buffer.dropped === 1);
    buffer.add(captureOf('good'));
    await until(() => stored.length > 0);
    expect(stored).toEqual(['good']);
  });

  it('by a time that no store can keep, is that of its caller alone', async () => {
    const stage = await openStage();
    const { captures } = stage.registry;
    const store = {
      ...captures,
      write: async (rows: readonly Capture[]) => {
        // As Postgres does: https://www.postgresql.org/docs/current/datatype-numeric.html
        if (rows.some(({ eventTimeMs }) => !Number.isSafeInteger(Math.floor(eventTimeMs))))
          throw Object.assign(new Error('bigint out of range'), { code: '22003' });
        await captures.write(rows);
      },
    };
    await stage.addLive({ model: 'timed', version: '1.0.0', onnx: 'identity-float', spec: { ...identity, eventTimeField: 'x' } });
    const gateway = await stage.start({ captureEveryMs: 60_000 }, { captures: store });
    const infer = (value: number) =>
      post(`${gateway.url}/v2/models/timed/infer`, { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [value] }] });
    const answers = await Promise.all([infer(1), infer(3e38), infer(2)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    await post(`${gateway.url}/v2/captures/flush`, '');
    const times = stage.registry.stored.map(({ eventTimeMs }) => eventTimeMs).sort();
    expect(times).toContain(1);
    expect(times).toContain(2);
  });
});

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(folder, path)).isFile());

describe('files of captured requests', () => {
  const config = {
    captureFileBytes: 1_000_000,
    captureFileMs: 60_000,
    captureWaitingBytes: 1_000_000,
    captureSpoolBytes: 1_000_000,
    captureDiskUse: 1.1,
    captureDiskEveryMs: 10,
  };

  it('reach their place though one of them was taken away while it was written', async () => {
    const [folder, target] = [temporaryFolder(), temporaryFolder()];
    const spool = new CaptureSpool({ folder, files: openFileCaptureFiles(target), config, log: () => undefined });
    spool.start();
    onTestFinished(() => spool.close());
    spool.add('demand/champion/2026/11/21/13', '{"line":1}\n');
    spool.add('demand/challenger/2026/11/21/13', '{"line":2}\n');
    await until(() => spool.written === 2);
    rmSync(
      join(
        folder,
        filesBelow(folder).find((path) => path.includes('champion'))!,
      ),
    );
    await spool.flush(5_000);
    expect(filesBelow(target)).toHaveLength(1);
    // And the next one of the same place is there again.
    spool.add('demand/champion/2026/11/21/13', '{"line":3}\n');
    await spool.flush(5_000);
    expect(
      filesBelow(target)
        .map((path) => readFileSync(join(target, path), 'utf8'))
        .sort(),
    ).toEqual(['{"line":2}\n', '{"line":3}\n']);
    expect(spool.lost).toBe(1);
  });

  it('that a killed gateway left reach their place, whatever else lies there', async () => {
    const [folder, target] = [temporaryFolder(), temporaryFolder()];
    const left = join(folder, `${hostname()}~999999999~abc`);
    mkdirSync(join(left, 'a-folder-of-somebody'), { recursive: true });
    for (const name of ['champion', 'challenger']) {
      const path = join(left, `demand!${name}!2026!11!21!13!00-00-000-x.jsonl.part`);
      writeFileSync(path, `{"of":"${name}"}\n`);
      appendFileSync(path, '{"torn');
    }
    const spool = new CaptureSpool({ folder, files: openFileCaptureFiles(target), config, log: () => undefined });
    spool.start();
    onTestFinished(() => spool.close());
    await until(() => spool.files === 2);
    expect(
      filesBelow(target)
        .map((path) => readFileSync(join(target, path), 'utf8'))
        .sort(),
    ).toEqual(['{"of":"challenger"}\n', '{"of":"champion"}\n']);
    expect(spool).toMatchObject({ recoveredFiles: 2, tornLines: 2 });
  });

  it('go when their time is over, also those of versions that no route names', async () => {
    const folder = temporaryFolder();
    const old = ['champion', 'unrouted'].map((variant) => `demand/${variant}/2020/01/01/00`);
    for (const at of old) {
      await mkdir(join(folder, at), { recursive: true });
      await writeFile(join(folder, at, '00-00-000-x.jsonl'), '{}\n');
    }
    expect(await openFileCaptureUpkeep(folder).removeBefore('demand', Date.UTC(2021, 0))).toBe(2);
    expect(filesBelow(folder)).toEqual([]);
  });
});

it('a process that is added takes no file that another one is just writing', async () => {
  const folder = temporaryFolder();
  await mkdir(join(folder, 'packages'));
  await writeFile(join(folder, 'packages', 'sha256-a'), 'a');
  await writeFile(join(folder, 'packages', 'sha256-b.1.x.tmp'), 'half');
  await writeFile(join(folder, 'last-good.json'), '{}');
  await seedFolder(folder, 1);
  expect(readdirSync(join(processFolder(folder, 1), 'packages'))).toEqual(['sha256-a']);
});
