import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Places, untilReady } from '../programs.js';
import { treeCpuSeconds } from '../cpu-seconds.js';

/** A server under load: where it listens, and what it has used. */
export type Server = {
  readonly name: string;
  readonly port: number;
  /** Null where it does not speak gRPC. */
  readonly grpcPort: number | null;
  /** CPU seconds since its start, of all its processes; null where they cannot be counted. */
  cpuSeconds(): number | null;
  stop(): Promise<void>;
};

export type ServerContext = { readonly places: Places; readonly home: string; readonly databaseUrl: string; readonly model: string };

/** Our own gateway, as `perennial up` starts it, on the benchmark's registry. */
export async function startGateway(
  context: ServerContext,
  { processes, trees = 'compiled' }: { processes: number; trees?: 'compiled' | 'onnxruntime' },
): Promise<Server> {
  const { places, home, databaseUrl } = context;
  const [port, grpcPort] = [await freePort(), await freePort()];
  const name = `gateway-${processes}-${trees}`;
  const child = start(context, {
    name,
    command: process.execPath,
    args: [join(places.build, 'workers/gateway.js')],
    variables: {
      PERENNIAL_HOME: home,
      PERENNIAL_WORKFLOW_BUNDLE: join(places.build, 'workflow-bundle.js'),
      DATABASE_URL: databaseUrl,
      PERENNIAL_GATEWAY_PORT: String(port),
      PERENNIAL_GATEWAY_GRPC_PORT: String(grpcPort),
      PERENNIAL_GATEWAY_PROCESSES: String(processes),
      PERENNIAL_GATEWAY_TREES: trees,
    },
  });
  await untilReady(child, name, () => readFileSync(join(home, `${name}.log`), 'utf8'));
  await answers(`http://127.0.0.1:${port}/v2/health/ready`, child);
  return serverOf(child, { name, port, grpcPort });
}

/** One of `plain-servers.ts`, in a process of its own. */
export async function startPart(context: ServerContext, part: 'echo' | 'plain'): Promise<Server> {
  const port = await freePort();
  const args = [process.argv[1] ?? '', '--part', part, '--port', String(port), '--model', context.model];
  const child = start(context, { name: part, command: process.execPath, args });
  await answers(`http://127.0.0.1:${port}/v2/health/ready`, child);
  return serverOf(child, { name: part, port, grpcPort: null });
}

/** FastAPI with onnxruntime, from its own environment. */
export async function startFastApi(context: ServerContext): Promise<Server> {
  const port = await freePort();
  const args = [join(context.places.root, 'bench/gateway/rivals/fastapi_server.py'), context.model, String(port)];
  const child = start(context, { name: 'fastapi', command: python(context), args });
  await answers(`http://127.0.0.1:${port}/v2/health/ready`, child);
  return serverOf(child, { name: 'fastapi', port, grpcPort: null });
}

/** MLServer with an ONNX model in its process, as its documentation has a custom model. */
export async function startMlServer(context: ServerContext): Promise<Server> {
  const [port, grpc, metrics] = [await freePort(), await freePort(), await freePort()];
  const folder = join(context.home, 'mlserver');
  mkdirSync(folder, { recursive: true });
  const settings = { host: '127.0.0.1', http_port: port, grpc_port: grpc, metrics_port: metrics, parallel_workers: 0, debug: false };
  writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings));
  const model = { name: 'bench', implementation: 'onnx_model.OnnxModel', parameters: { uri: context.model } };
  writeFileSync(join(folder, 'model-settings.json'), JSON.stringify(model));
  const args = [join(context.places.tools, 'python-rivals/bin/mlserver'), 'start', folder];
  const variables = { PYTHONPATH: join(context.places.root, 'bench/gateway/rivals') };
  const child = start(context, { name: 'mlserver', command: python(context), args, variables });
  await answers(`http://127.0.0.1:${port}/v2/models/bench/ready`, child);
  return serverOf(child, { name: 'mlserver', port, grpcPort: grpc });
}

const python = ({ places }: ServerContext): string => join(places.tools, 'python-rivals/bin/python');

type Program = { name: string; command: string; args: readonly string[]; variables?: Readonly<Record<string, string>> };

function start({ home, places }: ServerContext, { name, command, args, variables }: Program): ChildProcess {
  const log = openSync(join(home, `${name}.log`), 'a');
  return spawn(command, args, {
    cwd: places.root,
    stdio: ['ignore', name.startsWith('gateway') ? 'pipe' : log, log],
    env: { ...process.env, ...variables },
  });
}

function serverOf(child: ChildProcess, address: Pick<Server, 'name' | 'port' | 'grpcPort'>): Server {
  return {
    ...address,
    cpuSeconds: () => (child.pid === undefined ? null : treeCpuSeconds([child.pid])),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Resolves when the address answers 200; rejects when the program ends before. */
async function answers(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode} before ${url} answered`);
    const answer = await fetch(url).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}
