import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { processFolder, seedFolder } from '../../workers/gateway-folders.js';

let first: string;
beforeEach(async () => {
  first = await mkdtemp(join(tmpdir(), 'perennial-folders-'));
});
afterEach(() => rm(first, { recursive: true, force: true }));

async function served(folder: string, what: string): Promise<void> {
  await mkdir(join(folder, 'packages', what), { recursive: true });
  await writeFile(join(folder, 'packages', what, 'model.onnx'), what);
  await writeFile(join(folder, 'last-good.json'), what);
}

describe('a process that is added to a gateway', () => {
  it('begins with what the first one served last', async () => {
    await served(first, 'a');
    await seedFolder(first, 2);
    expect(await readFile(join(processFolder(first, 2), 'last-good.json'), 'utf8')).toBe('a');
    expect(await readFile(join(processFolder(first, 2), 'packages/a/model.onnx'), 'utf8')).toBe('a');
  });

  it('keeps what it has served itself', async () => {
    await served(first, 'a');
    await served(processFolder(first, 1), 'b');
    await seedFolder(first, 1);
    expect(await readFile(join(processFolder(first, 1), 'last-good.json'), 'utf8')).toBe('b');
  });

  it('begins with nothing where nothing was served', async () => {
    await seedFolder(first, 1);
    await expect(readFile(join(processFolder(first, 1), 'last-good.json'))).rejects.toThrow('ENOENT');
  });
});
