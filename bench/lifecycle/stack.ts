import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { type OpenDatabase, openDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import type * as Guard from '../../tools/servers/guard.mjs';
import type * as Postgres from '../../tools/servers/postgres.mjs';
import type * as Temporal from '../../tools/servers/temporal.mjs';
import { treeCpuSeconds } from '../cpu-seconds.js';
import { readPlaces, untilReady, type Places } from '../programs.js';
import type { BenchPart } from './parts.js';

const programs = { lifecycle: 'workers/lifecycle.worker.js', cpu: 'workers/cpu.worker.js', gateway: 'workers/gateway.js' } as const;
export type Part = keyof typeof programs | BenchPart;

/** Servers and processes of one benchmark: its own home, Temporal and Postgres, and the built programs. */
export class BenchStack {
  readonly places: Places;
  readonly home: string;
  readonly client: Client;
  readonly database: OpenDatabase;
  readonly #connection: Connection;
  readonly #servers: { readonly pids: readonly number[]; readonly postgresUrl: string; readonly temporalAddress: string };
  readonly #end: () => Promise<void>;
  readonly #running = new Map<Part, ChildProcess>();
  /** CPU seconds of processes that were stopped. */
  #spent = 0;

  private constructor(parts: {
    places: Places;
    home: string;
    database: OpenDatabase;
    connection: Connection;
    servers: { pids: readonly number[]; postgresUrl: string; temporalAddress: string };
    end: () => Promise<void>;
  }) {
    this.places = parts.places;
    this.home = parts.home;
    this.database = parts.database;
    this.#connection = parts.connection;
    this.client = new Client({ connection: parts.connection });
    this.#servers = parts.servers;
    this.#end = parts.end;
  }

  /** Starts the servers as `perennial up` does, durable and with our settings. They end with this process, however it ends. */
  static async open(): Promise<BenchStack> {
    const places = readPlaces();
    // By their place in the clone: this program is bundled elsewhere, and the tools are not copied into it.
    const tool = (path: string): Promise<unknown> => import(pathToFileURL(join(places.root, 'tools', path)).href);
    const { guard } = (await tool('servers/guard.mjs')) as typeof Guard;
    const { startPostgres } = (await tool('servers/postgres.mjs')) as typeof Postgres;
    const { startTemporal } = (await tool('servers/temporal.mjs')) as typeof Temporal;
    const home = mkdtempSync(join(tmpdir(), 'perennial-bench-'));
    // Postgres runs as another user where this runs as root.
    chmodSync(home, 0o711);
    mkdirSync(join(home, 'data'));
    const end = guard(home);
    try {
      const [postgres, temporal] = await Promise.all([
        startPostgres({ folder: join(home, 'postgres'), preferredPort: 0 }),
        startTemporal({
          folder: join(home, 'temporal'),
          executable: join(places.tools, 'bin', 'temporal'),
          preferredPort: 0,
          preferredUiPort: 0,
        }),
      ]);
      const database = await openDatabase({ url: postgres.url, applicationName: 'bench' });
      await migrate(database.db);
      const connection = await Connection.connect({ address: temporal.address });
      const servers = { pids: [postgres.pid, temporal.pid], postgresUrl: postgres.url, temporalAddress: temporal.address };
      return new BenchStack({ places, home, database, connection, servers, end });
    } catch (error) {
      await end();
      throw error;
    }
  }

  /** Starts a program and waits until it says that it is ready. */
  async start(part: Part, variables: Readonly<Record<string, string>> = {}): Promise<void> {
    const { places, home } = this;
    const log = openSync(join(home, `${part}.log`), 'a');
    const args = part in programs ? [join(places.build, programs[part as keyof typeof programs])] : [process.argv[1] ?? '', '--part', part];
    const child = spawn(process.execPath, args, {
      cwd: places.root,
      stdio: ['ignore', 'pipe', log],
      env: {
        ...process.env,
        PERENNIAL_HOME: home,
        PERENNIAL_TOOLS: places.tools,
        PERENNIAL_DATA: join(home, 'data'),
        PERENNIAL_TRAINERS: join(places.root, 'trainers'),
        PERENNIAL_WORKFLOW_BUNDLE: join(places.build, 'workflow-bundle.js'),
        PERENNIAL_GATEWAY_PORT: '0',
        DATABASE_URL: this.#servers.postgresUrl,
        TEMPORAL_ADDRESS: this.#servers.temporalAddress,
        ...variables,
      },
    });
    this.#running.set(part, child);
    await untilReady(child, part, () => readFileSync(join(home, `${part}.log`), 'utf8'));
  }

  /** Stops a program in order. */
  async stop(part: Part): Promise<void> {
    const child = this.#running.get(part);
    if (child === undefined) return;
    this.#spent += child.pid === undefined ? 0 : (treeCpuSeconds([child.pid]) ?? 0);
    this.#running.delete(part);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  }

  /** CPU seconds of everything that was started here, trainers included; null where they cannot be counted. */
  cpuSeconds(): number | null {
    const pids = [...this.#running.values()].flatMap(({ pid }) => pid ?? []);
    const now = treeCpuSeconds([...this.#servers.pids, ...pids]);
    return now === null ? null : now + this.#spent;
  }

  /** Stops everything and removes the home. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((part) => this.stop(part)));
    await this.#connection.close();
    await this.database.close();
    // The guard does not keep this process alive, and at the end nothing else does.
    const alive = setInterval(() => undefined, 1_000);
    await this.#end();
    clearInterval(alive);
  }
}
