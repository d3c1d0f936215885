import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { startGateway } from '../../bench/gateway/servers.js';
import { readPlaces } from '../../bench/programs.js';
import { machine } from '../../bench/report.js';
import type * as Guard from '../../tools/servers/guard.mjs';
import type * as Postgres from '../../tools/servers/postgres.mjs';
import { awsSdkJs, awsSdkJsSigned } from './aws-sdk-js.js';
import { frameworks } from './frameworks/frameworks.js';
import { openImportWorld } from './import-world.js';
import { runSuite } from './run-suite.js';
import { wantSignatures } from './signed-callers.js';
import type { Case, Suite, Target } from './suites.js';
import { pythonSuites } from './suites.js';
import type { Result } from './summary.js';
import { count, summary } from './summary.js';
import { makeWorld } from './world.js';

// `npm run conformance [-- --json] [--only kserve,boto3]`: stock clients and ported tests against a real gateway on a real Postgres.
const { values: options } = parseArgs({ options: { json: { type: 'boolean' }, only: { type: 'string' } } });
const known: readonly Suite[] = [...pythonSuites, awsSdkJs, frameworks, awsSdkJsSigned];
const wanted = chosen(options.only);
const places = readPlaces();
const tool = (path: string): Promise<unknown> => import(pathToFileURL(join(places.root, 'tools', path)).href);
const { guard } = (await tool('servers/guard.mjs')) as typeof Guard;
const { startPostgres } = (await tool('servers/postgres.mjs')) as typeof Postgres;
const home = mkdtempSync(join(tmpdir(), 'perennial-conformance-'));
chmodSync(home, 0o711);
const end = guard(home);
let stopGateway = (): Promise<void> => Promise.resolve();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(
    signal,
    () =>
      void stopGateway()
        .then(end, end)
        .finally(() => process.exit(130)),
  );

try {
  const { results, kept } = await run();
  for (const line of ['', machine(), '', ...summary(results)]) process.stdout.write(`${line}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(results.map(({ suite, ...rest }) => ({ suite: suite.name, ...rest })))}\n`);
  if (results.some(({ cases }) => count(cases, 'failed') > 0)) {
    process.stderr.write(`what the suites printed is in ${kept}\n`);
    process.exitCode = 1;
  }
} finally {
  const alive = setInterval(() => undefined, 1_000);
  await stopGateway();
  await end();
  clearInterval(alive);
}

async function run(): Promise<{ results: Result[]; kept: string }> {
  process.stderr.write('Postgres, and a gateway with thirteen models…\n');
  const postgres = await startPostgres({ folder: join(home, 'postgres'), preferredPort: 0 });
  const database = await openDatabase({ url: postgres.url, applicationName: 'conformance' });
  await migrate(database.db);
  await makeWorld(database, { root: places.root, home });
  const world = await openImportWorld(database, { home, build: places.build });
  const gateway = await startGateway({ places, home, databaseUrl: postgres.url, model: '' }, { processes: 1 });
  stopGateway = async () => {
    await gateway.stop();
    await world.close();
    await database.close();
  };
  const log = join(places.tools, 'conformance');
  mkdirSync(log, { recursive: true });
  const address = { http: `127.0.0.1:${gateway.port}`, grpc: `127.0.0.1:${gateway.grpcPort}` };
  let target: Target = { pairs: null, ...address, root: places.root, tools: places.tools, asyncFolder: join(home, 'async'), log, world };
  const results: Result[] = [];
  // Once a gateway has keys it stays closed.
  for (const suite of [...wanted.filter(({ signs }) => signs !== true), ...wanted.filter(({ signs }) => signs === true)]) {
    if (suite.signs === true && target.pairs === null)
      target = { ...target, pairs: await wantSignatures(join(home, 'gateway-keys.json'), `http://${address.http}`) };
    process.stderr.write(`\n${suite.name}: ${suite.what}\n`);
    const start = performance.now();
    const cases: Case[] = [];
    for await (const found of runSuite(suite, target)) {
      cases.push(found);
      process.stderr.write(`  ${found.outcome.padEnd(7)} ${found.name}${found.outcome === 'passed' ? '' : `: ${found.reason ?? ''}`}\n`);
    }
    results.push({ suite, cases, seconds: (performance.now() - start) / 1000 });
  }
  return { results, kept: log };
}

function chosen(only: string | undefined): readonly Suite[] {
  if (only === undefined) return known;
  return only.split(',').map((name) => {
    const found = known.find((suite) => suite.name === name);
    if (found !== undefined) return found;
    process.stderr.write(`there is no suite ${name}: ${known.map((suite) => suite.name).join(', ')} are there\n`);
    process.exit(2);
  });
}
