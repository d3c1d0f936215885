import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { median } from '../report.js';
import { loadGrpc } from './grpc-load.js';
import { binary32, floods, grpc16, jsonShapes, large, rows32, sixteen, sixtyFour, type Shape } from './shapes.js';
import type { LoadResult } from './load.js';
import { loadFresh } from './load-thread.js';
import { type Server, type ServerContext, startFastApi, startGateway, startMlServer, startPart } from './servers.js';
import { fast, slow } from './world.js';

/** What one server did in one shape, the medians of its rounds. Rates a second, times in milliseconds. */
export type Cell = {
  readonly server: string;
  readonly shape: string;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU of the server in microseconds an answer; null where it cannot be counted. */
  readonly cpuMicros: number | null;
  readonly failed: number;
};

export type Measurement = {
  readonly warmUpMs: number;
  readonly ms: number;
  readonly rounds: number;
  /** Only these servers; null for all. */
  readonly only: readonly string[] | null;
  /** Only these shapes; null for all. */
  readonly shapes: readonly string[] | null;
  readonly say: (line: string) => void;
};

type Round = LoadResult & { readonly cpuMicros: number | null };

/**
 * Measures each server in each shape, round after round, one at a time: what disturbs the machine for a while disturbs all of
 * them. A server that fails requests is no measurement: it throws.
 */
export async function measure(context: ServerContext, options: Measurement): Promise<{ cells: Cell[]; notes: string[] }> {
  const starts: Record<string, () => Promise<Server>> = {
    echo: () => startPart(context, 'echo'),
    plain: () => startPart(context, 'plain'),
    gateway: () => startGateway(context, { processes: 1 }),
    'gateway, ONNX Runtime': () => startGateway(context, { processes: 1, trees: 'onnxruntime' }),
    'gateway, 2 processes': () => startGateway(context, { processes: 2 }),
    mlserver: () => startMlServer(context),
    fastapi: () => startFastApi(context),
  };
  const wanted = Object.keys(starts).filter((name) => options.only?.includes(name) ?? true);
  const servers = new Map<string, Server>();
  const rounds = new Map<string, Round[]>();
  const notes: string[] = [];
  const note = (server: string, shape: string, round: Round): void => {
    if (round.failed > 0) throw new Error(`${server}, ${shape}: ${round.failed} requests failed, the first with ${round.firstFailure}`);
    const key = `${server}\n${shape}`;
    rounds.set(key, [...(rounds.get(key) ?? []), round]);
  };
  try {
    for (const name of wanted) {
      options.say(`starting ${name}…`);
      servers.set(name, await starts[name]!());
    }
    for (const stage of stages) {
      const asked = wanted.flatMap((name) => {
        const trials = trialsOf(name).filter((trial) => trial.stage === stage && (options.shapes?.includes(trial.name) ?? true));
        return trials.map((trial) => ({ name, trial }));
      });
      if (asked.length === 0) continue;
      for (let round = 1; round <= options.rounds; round++) {
        options.say(`${stage}, round ${round} of ${options.rounds}…`);
        for (const { name, trial } of asked) note(name, trial.name, await trial.run(servers.get(name)!, options));
      }
    }
    const gateway = servers.get('gateway');
    if (gateway !== undefined) notes.push(await leftOut(gateway));
  } finally {
    for (const server of servers.values()) await server.stop();
  }
  return { cells: [...rounds].map(([key, results]) => cell(key, results)), notes };
}

/** The fast model while a slow one is asked, and health while all connections are busy. */
export const withSlow = '16, beside a model of 20 ms';
export const health = 'health, at 64';
export const healthInFlood = 'health, beside 5,000 that ask again at once';
export const healthBesideLarge = 'health, beside bodies of 10,000 rows';

/** 64 connections once more, in the rounds of the floods. */
export const beforeFlood = '64, before the floods';

/** What leaves traces in a process, a larger heap and captures still to be written, comes after what is compared with others. */
const stages = ['requests', 'floods', 'large bodies'] as const;

/** One cell of the table: what is done to a server, and when. */
type Trial = {
  readonly stage: (typeof stages)[number];
  readonly name: string;
  readonly run: (server: Server, options: Measurement) => Promise<Round>;
};

function trialsOf(server: string): readonly Trial[] {
  const asked = (shape: Shape): Trial => ({ stage: 'requests', name: shape.name, run: (on, options) => loaded(on, { shape, options }) });
  // Beside what the server does at 64 in the same minute: a machine that others use changes from one to the next.
  const flooded = [{ ...sixtyFour, name: beforeFlood }, ...floods].map((shape): Trial => ({
    stage: 'floods',
    name: shape.name,
    run: async (on, options) => {
      const round = refusalsAside(await loaded(on, { shape, options }));
      if (server.startsWith('gateway')) await capturesWritten(on);
      return round;
    },
  }));
  const alive = (name: string, stage: Trial['stage'], shape: Shape): Trial => ({
    stage,
    name,
    run: (on, options) => healthUnderLoad(on, { shape, options }),
  });
  const besideLarge = alive(healthBesideLarge, 'large bodies', large);
  switch (server) {
    case 'gateway':
      return [
        ...[...jsonShapes, binary32, grpc16].map(asked),
        { stage: 'requests', name: withSlow, run: besideSlow },
        alive(health, 'requests', sixtyFour),
        ...flooded,
        alive(healthInFlood, 'floods', floods.at(-1)!),
        besideLarge,
      ];
    case 'gateway, ONNX Runtime':
      return [...[...jsonShapes, binary32, grpc16].map(asked), ...flooded];
    case 'gateway, 2 processes':
      return [sixteen, sixtyFour, rows32].map(asked);
    case 'mlserver':
      return [...[...jsonShapes, grpc16].map(asked), besideLarge];
    case 'echo':
      return [...jsonShapes.map(asked), ...flooded, besideLarge];
    default:
      return [...jsonShapes.map(asked), besideLarge];
  }
}

async function loaded(server: Server, { shape, options }: { shape: Shape; options: Measurement }): Promise<Round> {
  const before = server.cpuSeconds();
  const { payloads, connections, protocol } = shape;
  const spec = { model: fast, payloads, connections, warmUpMs: options.warmUpMs, ms: options.ms };
  const result = await (protocol === 'grpc' ? loadGrpc({ ...spec, port: server.grpcPort! }) : loadFresh({ ...spec, port: server.port }));
  const after = server.cpuSeconds();
  const share = options.ms / (options.ms + options.warmUpMs);
  const cpuMicros = before === null || after === null ? null : ((after - before) * share * 1e6) / result.answers;
  return { ...result, cpuMicros };
}

async function besideSlow(server: Server, options: Measurement): Promise<Round> {
  const common = { port: server.port, warmUpMs: options.warmUpMs, ms: options.ms, payloads: sixteen.payloads };
  const [result] = await Promise.all([
    loadFresh({ ...common, model: fast, connections: 16 }),
    loadFresh({ ...common, model: slow, connections: 4 }),
  ]);
  return { ...result, cpuMicros: null };
}

/** Waits until the captures of a flood are in Postgres: to write them takes seconds, and they would be another server's burden. */
async function capturesWritten({ port }: Server): Promise<void> {
  let status = 0;
  while (status !== 200) ({ status } = await fetch(`http://127.0.0.1:${port}/v2/captures/flush`, { method: 'POST' }));
}

/** Of a flood what was answered counts; that the rest was refused is what shall be. */
function refusalsAside(round: Round): Round {
  return round.firstFailure?.startsWith('HTTP/1.1 503 ') === true ? { ...round, failed: 0 } : round;
}

async function healthUnderLoad(server: Server, { shape, options }: { shape: Shape; options: Measurement }): Promise<Round> {
  // The load stands while it is looked at: what opening and closing thousands of connections takes is another question.
  const { warmUpMs, ms } = options;
  const { payloads, connections } = shape;
  const loading = loadFresh({ port: server.port, model: fast, payloads, connections, warmUpMs, ms });
  await wait(warmUpMs);
  // In a thread of its own: the one that makes the load is busy, too.
  const prober = new Worker(probe, { eval: true, workerData: server.port });
  await wait(ms);
  prober.postMessage('enough');
  const [times] = (await once(prober, 'message')) as [number[]];
  const result = await loading;
  const sorted = times.toSorted((a, b) => a - b);
  // The slowest of all: "under any load" is about the worst, not the middle.
  return { ...result, p50: median(times), p99: sorted.at(-1) ?? Number.NaN, perSecond: Number.NaN, cpuMicros: null };
}

/** How many requests the gateway did not capture because it had no time to spare. */
async function leftOut(gateway: Server): Promise<string> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text();
  const sum = (name: string): number =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'gm'))].reduce((total, match) => total + Number(match[1]), 0);
  const [all, out] = [sum('nv_inference_request_success'), sum('gateway_captures_sampled_out_total')];
  return `Captures: ${(100 * (1 - out / all)).toFixed(0)}% of ${all.toLocaleString('en')} requests, the rest was thinned out and counted`;
}

/** Asks for health every 20 ms until it is told that it is enough, then tells the times; what is not answered by then counts as it stands. */
const probe = `
const { get, Agent } = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');
const agent = new Agent({ keepAlive: true });
const times = [];
const asked = new Set();
let enough = false;
const ask = () => {
  const from = performance.now();
  asked.add(from);
  get({ port: workerData, host: '127.0.0.1', path: '/v2/health/live', agent }, (answer) => {
    answer.resume().on('end', () => {
      asked.delete(from);
      times.push(performance.now() - from);
    });
  }).on('error', (error) => {
    // Those that are given up by this program itself.
    if (!enough) throw error;
  });
};
const timer = setInterval(ask, 20);
parentPort.on('message', () => {
  enough = true;
  clearInterval(timer);
  for (const from of asked) times.push(performance.now() - from);
  parentPort.postMessage(times);
  parentPort.close();
  agent.destroy();
});
`;

function cell(key: string, rounds: readonly Round[]): Cell {
  const [server = '', shape = ''] = key.split('\n');
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const cpu = rounds.flatMap(({ cpuMicros }) => cpuMicros ?? []);
  return {
    server,
    shape,
    perSecond: middle(({ perSecond }) => perSecond),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    cpuMicros: cpu.length === 0 ? null : median(cpu),
    failed: 0,
  };
}
