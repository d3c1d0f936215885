import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { nodeBundle } from '../../../tools/node-bundle.mjs';

let built: string | undefined;

/** The program of the trial process, compiled once for this test process. */
export function trialProgram(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync(join(tmpdir(), 'perennial-trial-program-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  built = join(folder, 'trial-program.mjs');
  const source = fileURLToPath(new URL('../../../adapters/onnx/trial-program.ts', import.meta.url));
  buildSync({
    entryPoints: [source],
    outfile: built,
    ...nodeBundle,
  });
  return built;
}
