import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../adapters/objects/digest.js';
import { openStack, type Stack } from '../clients/stack.js';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
});
afterAll(() => stack?.close());

describe('export', () => {
  test('writes the package of the live version into a new folder, and nothing into one that is in use', async () => {
    const { name: model } = await stack.publish();
    expect((await stack.cli(['train', model, '--as-of', '2011-10-01', '--wait'])).code).toBe(0);
    const folder = join(stack.home, 'exported');
    const exported = await stack.cli(['export', model, '--to', folder, '--json']);
    expect(exported).toMatchObject({ code: 0 });
    const said = JSON.parse(exported.stdout) as { version: string; digest: string; files: number };
    const { package: registered } = await stack.registry.version({ model, version: said.version });
    expect(said).toMatchObject({ version: '1.0.0', digest: registered.digest, files: registered.files.length });
    for (const { path, digest } of [...registered.files, { path: 'model.sig', digest: registered.signature!.digest }])
      expect([path, digestOf(await readFile(join(folder, path)))]).toEqual([path, digest]);
    expect((await readdir(folder)).length).toBe(registered.files.length + 1);
    expect(await stack.cli(['export', model, '--to', folder])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not empty') as string,
    });
    expect(await stack.cli(['export', model, '9.9.9', '--to', join(stack.home, 'none')])).toMatchObject({ code: 1 });
    expect((await stack.cli(['export', model])).code).not.toBe(0);
  });
});
