import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

let prepared: Promise<string> | undefined;

/**
 * Path of the inference thread's program: the compiled file beside this one, or, where the code runs from its TypeScript
 * (tests, development), a compiled copy that lives as long as the process.
 */
export function threadProgram(configured: string | null): Promise<string> {
  if (configured !== null) return Promise.resolve(configured);
  prepared ??= prepare();
  return prepared;
}

async function prepare(): Promise<string> {
  const compiled = fileURLToPath(new URL('./inference-thread.js', import.meta.url));
  if (existsSync(compiled)) return compiled;
  const source = readFileSync(new URL('./inference-thread.ts', import.meta.url), 'utf8');
  const { transform } = await import('esbuild');
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' });
  const folder = mkdtempSync(join(tmpdir(), 'perennial-thread-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'inference-thread.mjs');
  writeFileSync(path, code);
  return path;
}
