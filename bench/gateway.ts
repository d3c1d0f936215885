import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { openDatabase } from '../adapters/postgres/database.js';
import { migrate } from '../adapters/postgres/migrator.js';
import type * as Guard from '../tools/servers/guard.mjs';
import type * as Postgres from '../tools/servers/postgres.mjs';
import { bareRun } from './gateway/bare-run.js';
import { barsOf } from './gateway/bars.js';
import { answerLoad } from './gateway/load-thread.js';
import { measure } from './gateway/measure.js';
import { echoServer, plainServer } from './gateway/plain-servers.js';
import type { ServerContext } from './gateway/servers.js';
import { showTable } from './gateway/table.js';
import { makeWorld } from './gateway/world.js';
import { machine, tableOf } from './report.js';
import { readPlaces } from './programs.js';

// `npm run bench:gateway [-- --json] [--small] [--only 'gateway;echo'] [--shapes '16;64']`: our gateway, its rivals, and what Node costs
// alone, in one run on one machine. `--small` proves that the benchmark runs; its figures say nothing.
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean' },
    small: { type: 'boolean' },
    only: { type: 'string' },
    shapes: { type: 'string' },
    rounds: { type: 'string' },
    part: { type: 'string' },
    port: { type: 'string' },
    model: { type: 'string' },
  },
});

if (options.part === 'echo') echoServer(Number(options.port));
else if (options.part === 'plain') await plainServer(Number(options.port), options.model ?? '');
else if (options.part === 'load') await answerLoad();
else await run();

async function run(): Promise<void> {
  const places = readPlaces();
  const tool = (path: string): Promise<unknown> => import(pathToFileURL(join(places.root, 'tools', path)).href);
  const { guard } = (await tool('servers/guard.mjs')) as typeof Guard;
  const { startPostgres } = (await tool('servers/postgres.mjs')) as typeof Postgres;
  const home = mkdtempSync(join(tmpdir(), 'perennial-bench-'));
  chmodSync(home, 0o711);
  const end = guard(home);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end().finally(() => process.exit(130)));
  try {
    say('Postgres, two forests of 300 trees, and a slow model…');
    const postgres = await startPostgres({ folder: join(home, 'postgres'), preferredPort: 0 });
    const database = await openDatabase({ url: postgres.url, applicationName: 'bench' });
    await migrate(database.db);
    const script = join(places.root, 'bench/gateway/make-models.py');
    const { champion } = await makeWorld(database, { folder: join(home, 'models'), python: places.python, script, home });
    await database.close();
    const context: ServerContext = { places, home, databaseUrl: postgres.url, model: champion };
    const times = options.small
      ? { warmUpMs: 200, ms: 300, rounds: 1 }
      : { warmUpMs: 3_000, ms: 2_000, rounds: Number(options.rounds ?? 3) };
    const bare = await bareRun(champion, options.small ? 200 : 5_000);
    const { cells, notes } = await measure(context, {
      ...times,
      only: options.only?.split(';') ?? null,
      shapes: options.shapes?.split(';') ?? null,
      say,
    });
    console.log(`${machine()}\n`);
    for (const line of [...showTable(cells), ...notes]) console.log(line);
    const made = barsOf(cells, bare);
    console.log('');
    for (const line of tableOf(made)) console.log(line);
    if (options.json) console.log(JSON.stringify(made));
  } finally {
    const alive = setInterval(() => undefined, 1_000);
    await end();
    clearInterval(alive);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
