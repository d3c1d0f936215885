import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { runCli } from '../../clients/cli/run-cli.js';

/** An empty folder for `PERENNIAL_HOME`. */
export const emptyHome = (): string => mkdtempSync(join(tmpdir(), 'perennial-cli-'));

/** Runs a command with nothing around it but this environment and what it reads from stdin. */
export async function run(
  args: readonly string[],
  { env = { PERENNIAL_HOME: emptyHome() }, stdin = '' }: { env?: Record<string, string>; stdin?: string } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') =>
    new Writable({
      write(chunk, _encoding, done) {
        written[name] += String(chunk);
        done();
      },
    });
  const code = await runCli(args, { env, stdout: stream('stdout'), stderr: stream('stderr'), stdin: Readable.from([stdin]) });
  return { code, ...written };
}
