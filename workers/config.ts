import { userInfo, availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Device } from '../domain/devices.js';
import { PerennialError } from '../domain/errors.js';
import { readDevices, readDriverVariables } from './gateway-devices.js';
import { readTokenIssuer } from './token-issuer.js';
import type { TokenIssuerConfig } from './token-issuer.js';

/** Everything that processes read from their environment, read here alone. */
export type Config = {
  readonly home: string;
  readonly temporal: { readonly address: string; readonly namespace: string; readonly uiUrl: string | null };
  readonly databaseUrl: string;
  /** A folder or `s3://bucket/prefix`. */
  readonly objects: { readonly location: string; readonly endpoint?: string; readonly region?: string };
  /** Where observed requests go: a folder or `s3://bucket/prefix`. */
  readonly captures: string;
  /** Where inputs and results of asynchronous invocations are: a folder or `s3://bucket/prefix`. */
  readonly asyncCalls: string;
  /** What redacted captures are hashed with; null: that of this machine, made at the first start. */
  readonly redactionSecret: string | null;
  readonly bind: string;
  readonly apiPort: number;
  /** Values of the Host header that the API answers beside those of loopback, such as `perennial.example.com`. */
  readonly apiHosts: readonly string[];
  readonly gatewayPort: number;
  /** Port of the gateway's gRPC that was asked for; null for the default, or a free one where that is taken. */
  readonly gatewayGrpcPort: number | null;
  /** PEM files for gRPC over TLS; with `clientAuthority`, callers must show a certificate of it. */
  readonly gatewayGrpcTls: GrpcTlsFiles | null;
  /** Whether the gateway compiles tree ensembles, or has ONNX Runtime run them. */
  readonly gatewayCompilesTrees: boolean;
  /** Processes that share the gateway's ports, each with its own models. */
  readonly gatewayProcesses: number;
  /** Number of this process among them; null where there is one. */
  readonly gatewayProcess: string | null;
  /** Whether the others serve already while this process starts. */
  readonly gatewayProcessAgain: boolean;
  /** Memory for the models of the gateway; null for half of what the process may use. */
  readonly gatewayMemoryBytes: number | null;
  /** Accelerators of the gateway, with the memory that its versions may be given of each. */
  readonly gatewayDevices: readonly Device[];
  /** What processes that use a device need of the environment. */
  readonly driverVariables: Readonly<Record<string, string>>;
  /** A version that nobody asked the gateway for this long is released; 0 keeps it. */
  readonly gatewayIdleUnloadMs: number;
  readonly dataFolder: string;
  readonly trainersFolder: string;
  readonly python: string;
  readonly workflowBundle: string;
  readonly workerId: string;
  /** Activities at a time of the CPU worker: its cores. */
  readonly cpuSlots: number;
  readonly gpuSlots: number;
  readonly keysFolder: string;
  /** PEM files of the keys whose package signatures count; empty: the key in `keysFolder`. */
  readonly trustedKeyFiles: readonly string[];
  /** Whether the CPU worker polls the queue `gpu` too, where there is no GPU worker. */
  readonly pollGpu: boolean;
  readonly gatewayUrl: string | null;
  /** File with the keys that callers of the gateway show. */
  readonly gatewayKeysFile: string;
  /** Whose JSON Web Tokens the gateway takes; null for nobody's. */
  readonly tokenIssuer: TokenIssuerConfig | null;
  /** API token given by variable; else that of the file `token` in the home. */
  readonly token: string | null;
  readonly slackWebhook: string | null;
  readonly codeRevision: string;
  readonly otlpEndpoint: string | null;
  /** Share of the gateway's requests that are traced although their callers bring no trace, 0 to 1. */
  readonly gatewayTraceRatio: number;
};

export type GrpcTlsFiles = { readonly certificate: string; readonly key: string; readonly clientAuthority: string | null };

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws PerennialError naming the variable, what was expected and what was found */
export function readConfig(env: Environment): Config {
  const home = resolve(env['PERENNIAL_HOME'] ?? '.perennial');
  const tools = env['PERENNIAL_TOOLS'] === undefined ? home : resolve(env['PERENNIAL_TOOLS']);
  return {
    home,
    temporal: {
      address: env['TEMPORAL_ADDRESS'] ?? '127.0.0.1:7233',
      namespace: env['TEMPORAL_NAMESPACE'] ?? 'default',
      uiUrl: env['PERENNIAL_TEMPORAL_UI'] ?? null,
    },
    databaseUrl: need(env, 'DATABASE_URL', 'the address of Postgres, such as postgres://user:password@host:5432/perennial'),
    objects: {
      location: env['PERENNIAL_OBJECTS'] ?? join(home, 'objects'),
      ...(env['PERENNIAL_S3_ENDPOINT'] === undefined ? {} : { endpoint: env['PERENNIAL_S3_ENDPOINT'] }),
      ...(env['AWS_REGION'] === undefined ? {} : { region: env['AWS_REGION'] }),
    },
    captures: env['PERENNIAL_CAPTURES'] ?? besideObjects(env['PERENNIAL_OBJECTS'], { home, name: 'captures' }),
    asyncCalls: env['PERENNIAL_ASYNC'] ?? besideObjects(env['PERENNIAL_OBJECTS'], { home, name: 'async' }),
    redactionSecret: redactionSecret(env['PERENNIAL_REDACTION_SECRET']),
    bind: env['PERENNIAL_BIND'] ?? '127.0.0.1',
    apiPort: port(env, 'PERENNIAL_API_PORT', 8500),
    apiHosts: namesIn(env['PERENNIAL_API_HOSTS'] ?? ''),
    gatewayPort: port(env, 'PERENNIAL_GATEWAY_PORT', 8600),
    gatewayGrpcPort: env['PERENNIAL_GATEWAY_GRPC_PORT'] === undefined ? null : port(env, 'PERENNIAL_GATEWAY_GRPC_PORT', 0),
    gatewayGrpcTls: readGrpcTls(env),
    gatewayMemoryBytes: env['PERENNIAL_GATEWAY_MEMORY'] === undefined ? null : size(env, 'PERENNIAL_GATEWAY_MEMORY'),
    gatewayDevices: readDevices(env),
    driverVariables: readDriverVariables(env),
    gatewayIdleUnloadMs: env['PERENNIAL_GATEWAY_IDLE_SECONDS'] === undefined ? 0 : count(env, 'PERENNIAL_GATEWAY_IDLE_SECONDS', 1) * 1_000,
    gatewayCompilesTrees: oneOf(env, 'PERENNIAL_GATEWAY_TREES', ['compiled', 'onnxruntime']) === 'compiled',
    gatewayProcesses: count(env, 'PERENNIAL_GATEWAY_PROCESSES', 1),
    gatewayProcess: env['PERENNIAL_GATEWAY_PROCESS'] ?? null,
    gatewayProcessAgain: env['PERENNIAL_GATEWAY_PROCESS_AGAIN'] === '1',
    dataFolder: resolve(env['PERENNIAL_DATA'] ?? join(tools, 'data')),
    trainersFolder: resolve(env['PERENNIAL_TRAINERS'] ?? 'trainers'),
    python: env['PERENNIAL_PYTHON'] ?? join(tools, 'python', 'bin', 'python'),
    workflowBundle: need(env, 'PERENNIAL_WORKFLOW_BUNDLE', 'the path of workflow-bundle.js, made by `npm run build`'),
    workerId: env['PERENNIAL_WORKER_ID'] ?? `${userInfo().username}-${process.pid}`,
    cpuSlots: count(env, 'PERENNIAL_CPU_SLOTS', availableParallelism()),
    gpuSlots: count(env, 'PERENNIAL_GPU_SLOTS', 1),
    keysFolder: resolve(env['PERENNIAL_KEYS'] ?? join(home, 'keys')),
    trustedKeyFiles: (env['PERENNIAL_TRUSTED_KEYS'] ?? '').split(',').filter((file) => file !== ''),
    pollGpu: env['PERENNIAL_POLL_GPU'] === '1',
    gatewayUrl: env['PERENNIAL_GATEWAY_URL'] ?? null,
    gatewayKeysFile: resolve(env['PERENNIAL_GATEWAY_KEYS'] ?? join(home, 'gateway-keys.json')),
    tokenIssuer: readTokenIssuer(env),
    token: env['PERENNIAL_TOKEN'] ?? null,
    slackWebhook: env['PERENNIAL_SLACK_WEBHOOK'] ?? null,
    codeRevision: env['PERENNIAL_CODE_REVISION'] ?? 'unknown',
    otlpEndpoint: env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? null,
    gatewayTraceRatio: share(env, 'PERENNIAL_GATEWAY_TRACE_RATIO', 0),
  };
}

/** Names with commas between them, as headers are compared: in lower case. */
function namesIn(text: string): string[] {
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  return names.filter((name) => name !== '');
}

function readGrpcTls(env: Environment): GrpcTlsFiles | null {
  const certificate = env['PERENNIAL_GATEWAY_GRPC_TLS_CERT'];
  const key = env['PERENNIAL_GATEWAY_GRPC_TLS_KEY'];
  const clientAuthority = env['PERENNIAL_GATEWAY_GRPC_TLS_CLIENT_CA'] ?? null;
  if (certificate === undefined && key === undefined && clientAuthority === null) return null;
  if (certificate === undefined || key === undefined)
    throw new PerennialError(
      'DataInvalid',
      'gRPC over TLS needs two PEM files: set PERENNIAL_GATEWAY_GRPC_TLS_CERT and PERENNIAL_GATEWAY_GRPC_TLS_KEY, or neither and no PERENNIAL_GATEWAY_GRPC_TLS_CLIENT_CA',
    );
  return { certificate, key, clientAuthority };
}

function redactionSecret(secret: string | undefined): string | null {
  if (secret !== undefined && secret.length < 32)
    throw new PerennialError('DataInvalid', `PERENNIAL_REDACTION_SECRET has ${secret.length} characters: at least 32 are expected`);
  return secret ?? null;
}

/** Where nothing is said, files go where objects go. */
function besideObjects(objects: string | undefined, { home, name }: { home: string; name: string }): string {
  return objects?.startsWith('s3://') === true ? `${objects.replace(/\/+$/, '')}/${name}` : join(home, name);
}

function need(env: Environment, name: string, what: string): string {
  const value = env[name];
  if (value === undefined || value === '') throw new PerennialError('DataInvalid', `${name} is not set: expected ${what}`);
  return value;
}

function port(env: Environment, name: string, fallback: number): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > 65_535)
    throw new PerennialError('DataInvalid', `${name}=${value}: expected a port from 0 to 65535`);
  return number;
}

function count(env: Environment, name: string, fallback: number): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new PerennialError('DataInvalid', `${name}=${value}: expected a whole number of at least 1`);
  return number;
}

/** A size such as `2GiB`, `512MiB`, or a number of bytes. */
function size(env: Environment, name: string): number {
  const value = env[name] ?? '';
  const [, number, unit] = /^(\d+)(MiB|GiB)?$/.exec(value) ?? [];
  const bytes = Number(number) * (unit === 'GiB' ? 2 ** 30 : unit === 'MiB' ? 2 ** 20 : 1);
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new PerennialError('DataInvalid', `${name}=${value}: expected a size such as 2GiB or 512MiB, or a number of bytes`);
  return bytes;
}

/** One of some words; the first is the default. */
function oneOf<const Word extends string>(env: Environment, name: string, words: readonly [Word, ...Word[]]): Word {
  const value = env[name] ?? words[0];
  const word = words.find((one) => one === value);
  if (word === undefined) throw new PerennialError('DataInvalid', `${name}=${value}: expected ${words.join(' or ')}`);
  return word;
}

function share(env: Environment, name: string, fallback: number): number {
  const value = env[name];
  if (value === undefined) return fallback;
  const number = Number(value);
  if (value === '' || !(number >= 0 && number <= 1))
    throw new PerennialError('DataInvalid', `${name}=${value}: expected a number from 0 to 1`);
  return number;
}
