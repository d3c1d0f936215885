import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { type OpenDatabase, openDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import type { ObjectStore } from '../../activities/ports.js';
import { setUp } from '../../tools/setup.mjs';
import { startPostgres, type RunningPostgres } from '../../tools/servers/postgres.mjs';
import { startTemporal, type RunningTemporal } from '../../tools/servers/temporal.mjs';

const programs = {
  lifecycle: 'workers/lifecycle.worker.js',
  cpu: 'workers/cpu.worker.js',
  gateway: 'workers/gateway.js',
  'gateway-2': 'workers/gateway.js',
} as const;
export type Part = keyof typeof programs;

/** The real stack of one test file: its own Temporal and Postgres, and the built programs as processes. */
export class Stack {
  readonly home: string;
  readonly tools: string;
  readonly #build: string;
  readonly #running = new Map<Part, ChildProcess>();
  readonly #servers: { postgres: RunningPostgres; temporal: RunningTemporal };
  readonly temporalProgram: string;
  readonly database: OpenDatabase;
  readonly objects: ObjectStore;
  #connection: Connection;
  client: Client;
  gatewayUrl = '';

  private constructor(parts: {
    home: string;
    tools: string;
    build: string;
    temporalProgram: string;
    postgres: RunningPostgres;
    temporal: RunningTemporal;
    database: OpenDatabase;
    objects: ObjectStore;
    connection: Connection;
  }) {
    this.home = parts.home;
    this.tools = parts.tools;
    this.#build = parts.build;
    this.temporalProgram = parts.temporalProgram;
    this.#servers = { postgres: parts.postgres, temporal: parts.temporal };
    this.database = parts.database;
    this.objects = parts.objects;
    this.#connection = parts.connection;
    this.client = new Client({ connection: parts.connection });
  }

  static async open(): Promise<Stack> {
    const { places, build } = await setUp({ need: ['run', 'build'] });
    const home = mkdtempSync(join(tmpdir(), 'perennial-e2e-'));
    chmodSync(home, 0o711);
    const [postgres, temporal] = await Promise.all([
      startPostgres({ folder: join(home, 'postgres'), preferredPort: 0 }),
      startTemporal({ folder: join(home, 'temporal'), executable: places.temporal, preferredPort: 0, preferredUiPort: 0 }),
    ]);
    const database = await openDatabase({ url: postgres.url, applicationName: 'e2e' });
    await migrate(database.db);
    return new Stack({
      home,
      tools: places.tools,
      build,
      temporalProgram: places.temporal,
      postgres,
      temporal,
      database,
      objects: await openFileObjectStore(join(home, 'objects')),
      connection: await Connection.connect({ address: temporal.address }),
    });
  }

  get temporalAddress(): string {
    return this.#servers.temporal.address;
  }

  /** Starts a program and waits until it says that it is ready. Answers where it listens, if it does. */
  async start(part: Part, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const log = openSync(join(this.home, `${part}.log`), 'a');
    const port = part === 'gateway' && this.gatewayUrl !== '' ? new URL(this.gatewayUrl).port : '0';
    const child = spawn(process.execPath, [join(this.#build, programs[part])], {
      stdio: ['ignore', 'pipe', log],
      env: {
        ...process.env,
        PERENNIAL_HOME: this.home,
        PERENNIAL_TOOLS: this.tools,
        PERENNIAL_DATA: join(this.home, 'data'),
        PERENNIAL_WORKFLOW_BUNDLE: join(this.#build, 'workflow-bundle.js'),
        PERENNIAL_GATEWAY_PORT: port,
        DATABASE_URL: this.#servers.postgres.url,
        TEMPORAL_ADDRESS: this.temporalAddress,
        ...variables,
      },
    });
    this.#running.set(part, child);
    const ready = await firstLine(child, part, () => readFileSync(join(this.home, `${part}.log`), 'utf8'));
    if (part === 'gateway') this.gatewayUrl = ready.url;
    return ready.url;
  }

  /** Process of a program that was started here. */
  pid(part: Part): number {
    return this.#running.get(part)!.pid!;
  }

  async startAll(): Promise<void> {
    await Promise.all([this.start('lifecycle'), this.start('cpu'), this.start('gateway')]);
  }

  /** `kill -9`: nothing is handed back, nothing is said. */
  async kill9(part: Part): Promise<void> {
    await this.#end(part, 'SIGKILL');
  }

  async stop(part: Part): Promise<void> {
    await this.#end(part, 'SIGTERM');
  }

  /** Stops Postgres as a crash does, and starts it again on the same port. */
  async restartPostgres(downMs: number): Promise<void> {
    const { port } = this.#servers.postgres;
    await this.#servers.postgres.stop();
    await new Promise((resolve) => setTimeout(resolve, downMs));
    this.#servers.postgres = await startPostgres({ folder: join(this.home, 'postgres'), preferredPort: port });
  }

  /** Stops the Temporal server and starts it again on the same port and database. */
  async restartTemporal(): Promise<void> {
    const preferredPort = Number(this.temporalAddress.split(':').at(-1));
    await this.#servers.temporal.stop();
    this.#servers.temporal = await startTemporal({
      folder: join(this.home, 'temporal'),
      executable: this.temporalProgram,
      preferredPort,
      preferredUiPort: 0,
    });
    await this.#connection.close();
    this.#connection = await Connection.connect({ address: this.temporalAddress });
    this.client = new Client({ connection: this.#connection });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((part) => this.#end(part, 'SIGTERM')));
    await this.#connection.close();
    await this.database.close();
    await Promise.all([this.#servers.temporal.stop(), this.#servers.postgres.stop()]);
  }

  async #end(part: Part, signal: NodeJS.Signals): Promise<void> {
    const child = this.#running.get(part);
    this.#running.delete(part);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

async function firstLine(child: ChildProcess, part: Part, log: () => string): Promise<{ url: string }> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    const line = text.split('\n').find((candidate) => candidate.startsWith('{"ready"'));
    if (line === undefined) continue;
    child.stdout?.resume();
    return JSON.parse(line) as { url: string };
  }
  throw new Error(`${part} ended before it was ready:\n${log().split('\n').slice(-20).join('\n')}`);
}
