import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Case, Suite, Target } from './suites.js';

/** Runs a suite and gives its cases as they end. A suite that breaks before its end has a failed case that says so. */
export async function* runSuite(suite: Suite, target: Target): AsyncGenerator<Case, void> {
  const { runs } = suite;
  if (runs.kind === 'here') {
    yield* runs.run(target);
    return;
  }
  const folder = join(target.root, 'test/conformance/suites');
  const environment = runs.kind === 'python' ? runs.environment : 'python-conformance';
  const plugins = ['-p', 'no:cacheprovider', '-p', 'no:schemathesis'];
  const args = runs.kind === 'python' ? [join(folder, runs.file)] : ['-m', 'pytest', '-q', ...plugins, join(folder, runs.file)];
  const log = `${target.log}/${suite.name}.log`;
  const output = openSync(log, 'w');
  const child = spawn(join(target.tools, environment, 'bin/python'), args, {
    cwd: folder,
    // The cases come over a pipe of their own, whatever is printed.
    stdio: ['ignore', output, output, 'pipe'],
    env: { ...process.env, ...variables(target) },
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, signal) => resolve(String(signal ?? status)));
  });
  let cases = 0;
  let failed = 0;
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const found = JSON.parse(line) as Case;
    cases += 1;
    if (found.outcome === 'failed') failed += 1;
    yield found;
  }
  const how = await ended;
  if (cases > 0 && (how === '0' || failed > 0)) return;
  const end = readFileSync(log, 'utf8').split('\n').slice(-15).join('\n');
  yield { name: 'the suite runs to its end', outcome: 'failed', reason: `it ended with ${how} after ${cases} cases:\n${end}` };
}

function variables({ http, grpc, asyncFolder, log, pairs }: Target): Record<string, string> {
  return {
    CONFORMANCE_HTTP: http,
    CONFORMANCE_GRPC: grpc,
    CONFORMANCE_ASYNC: asyncFolder,
    PYTHONDONTWRITEBYTECODE: '1',
    HYPOTHESIS_STORAGE_DIRECTORY: join(log, 'hypothesis'),
    // boto3 wants some; the gateway on loopback without keys does not look at the signature.
    AWS_ACCESS_KEY_ID: pairs?.good.accessKeyId ?? 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: pairs?.good.secretAccessKey ?? 'none',
    CONFORMANCE_PAIRS: JSON.stringify(pairs),
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}
