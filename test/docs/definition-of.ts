import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** The default export of a block of TypeScript, bundled as if it were a file in models/ of the clone `root`. */
export async function definitionOf(code: string, root: string): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'perennial-definition-'));
  try {
    const outfile = join(folder, 'definition.mjs');
    await build({
      stdin: { contents: code, resolveDir: join(root, 'models'), loader: 'ts' },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'silent',
    });
    return ((await import(pathToFileURL(outfile).href)) as { default: unknown }).default;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
