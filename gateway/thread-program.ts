import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Programs of the gateway's threads, by the path of their source. */
export type ThreadSource = './models/inference-thread' | './oip/body-thread';

const prepared = new Map<ThreadSource, Promise<string>>();

/**
 * Path of a thread's program: the compiled file beside the gateway's code, or, where the code runs from its TypeScript
 * (tests, development), a compiled copy that lives as long as the process.
 */
export function threadProgram(source: ThreadSource, configured: string | null): Promise<string> {
  if (configured !== null) return Promise.resolve(configured);
  const known = prepared.get(source);
  if (known !== undefined) return known;
  const ready = prepare(source).catch((error: unknown) => {
    // Perhaps for a moment only: a full disk, say.
    prepared.delete(source);
    throw error;
  });
  prepared.set(source, ready);
  return ready;
}

async function prepare(source: ThreadSource): Promise<string> {
  const compiled = fileURLToPath(new URL(`${source}.js`, import.meta.url));
  if (existsSync(compiled)) return compiled;
  const { build } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'perennial-thread-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, `${basename(source)}.mjs`);
  const entry = fileURLToPath(new URL(`${source}.ts`, import.meta.url));
  await build({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent' });
  return outfile;
}
