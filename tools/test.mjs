import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJson } from './json-file.mjs';
import { setUpOrExit } from './setup.mjs';

// `npm test -- <arguments of vitest>`: sets up what the tests need, runs them, and ends with one line of figures.
const { places, build } = await setUpOrExit({ need: ['run', 'build', 'test'] });
const folder = mkdtempSync(join(tmpdir(), 'perennial-result-'));
const results = join(folder, 'results.json');
const vitest = join(places.root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(
  process.execPath,
  [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`, ...process.argv.slice(2)],
  { cwd: places.root, stdio: 'inherit', env: { ...process.env, PERENNIAL_TOOLS: places.tools, PERENNIAL_BUILD: build } },
);
// Vitest has the terminal's Ctrl-C itself; this process waits for its end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));

child.on('close', (status, signal) => {
  const result = readJson(results);
  rmSync(folder, { recursive: true, force: true });
  const passed = result?.numPassedTests ?? 0;
  const brokenFiles = (result?.testResults ?? []).filter(
    (/** @type {{status: string, assertionResults: unknown[]}} */ file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = (result?.numFailedTests ?? 0) + brokenFiles;
  const code = signal === null ? (status ?? 1) : 128 + constants.signals[signal];
  process.stdout.write(`${passed} passed, ${code !== 0 && failed === 0 ? 1 : failed} failed\n`);
  process.exit(code !== 0 ? code : failed > 0 || passed === 0 ? 1 : 0);
});
