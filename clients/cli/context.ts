import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { PerennialError } from '../../domain/errors.js';
import { ApiClient } from '../client/api-client.js';
import type { PerennialClient } from '../client/perennial-client.js';
import { type Endpoints, needEndpoint, readEndpoints } from './endpoints.js';

export type CliStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type CliIo = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: CliStream;
  readonly stderr: CliStream;
  readonly stdin: Readable & { readonly isTTY?: boolean };
};

/** What every verb works with. Connections are made at their first use and closed after the verb. */
export type CliContext = {
  readonly io: CliIo;
  readonly env: CliIo['env'];
  /** `root`: the clone. `home`: this world's data. */
  readonly places: {
    readonly root: string;
    readonly home: string;
    readonly keysFolder: string;
    readonly endpointsFile: string;
    /** The keys that callers of the gateway show. */
    readonly gatewayKeysFile: string;
    readonly temporal: string;
    /** Folder of what the clone's sources are built into. */
    readonly build: string;
  };
  /** What is known of the running stack; read anew at each call. */
  endpoints(): Endpoints;
  /** The control API; `Unavailable` when it is not known where it is. */
  api(): ApiClient;
  /** Client for commands: connects to Temporal at the first call. */
  client(): Promise<PerennialClient>;
  gatewayUrl(): string;
  /** What this user shows to the gateway: a key given by variable, else the platform's token; undefined when there is none. */
  gatewayToken(): string | undefined;
  /** Who acts when `--by` is not given: the user of the operating system. */
  readonly person: string;
  /** Link to a workflow in the Temporal Web UI, or to nothing when no UI is known. */
  workflowLink(workflowId: string): string | null;
  /** A command line of the `temporal` program with its full path, address and namespace. */
  temporalCommand(args: string): string;
  /** Called once, after the verb. */
  close(): Promise<void>;
};

export function createContext(io: CliIo): CliContext {
  const { env } = io;
  const root = resolve(env['PERENNIAL_ROOT'] ?? '.');
  const home = resolve(root, env['PERENNIAL_HOME'] ?? '.perennial');
  const tools = env['PERENNIAL_TOOLS'] === undefined ? home : resolve(root, env['PERENNIAL_TOOLS']);
  const places = {
    root,
    home,
    keysFolder: resolve(root, env['PERENNIAL_KEYS'] ?? join(home, 'keys')),
    endpointsFile: join(home, 'endpoints.json'),
    gatewayKeysFile: resolve(root, env['PERENNIAL_GATEWAY_KEYS'] ?? join(home, 'gateway-keys.json')),
    build: resolve(root, env['PERENNIAL_BUILD'] ?? join(tools, 'build')),
    temporal: env['TEMPORAL_CLI_PATH'] ?? (existsSync(join(tools, 'bin', 'temporal')) ? join(tools, 'bin', 'temporal') : 'temporal'),
  };
  const endpoints = () => readEndpoints(places.endpointsFile, env);
  const need = (name: keyof Endpoints) => needEndpoint(endpoints(), name, places.endpointsFile);
  const token = () => env['PERENNIAL_TOKEN'] ?? readToken(join(home, 'token'));
  let client: Promise<PerennialClient> | undefined;

  const connect = async (): Promise<PerennialClient> => {
    // The SDK takes a moment to load, and most verbs only ask the API.
    const { PerennialClient } = await import('../client/perennial-client.js');
    return await PerennialClient.connect({
      temporalAddress: need('temporalAddress'),
      namespace: endpoints().temporalNamespace ?? 'default',
      apiUrl: need('api'),
      gatewayUrl: endpoints().gateway ?? '',
      token: token(),
      env,
    });
  };

  return {
    io,
    env,
    places,
    endpoints,
    api: () => new ApiClient({ apiUrl: need('api'), token: token() }),
    client: () => (client ??= connect()),
    gatewayUrl: () => need('gateway'),
    gatewayToken: () => env['PERENNIAL_GATEWAY_KEY'] ?? env['PERENNIAL_TOKEN'] ?? tokenIn(join(home, 'token')),
    person: userInfo().username,
    workflowLink(workflowId) {
      const { temporalUi, temporalNamespace = 'default' } = endpoints();
      return temporalUi === undefined
        ? null
        : `${temporalUi.replace(/\/$/, '')}/namespaces/${encodeURIComponent(temporalNamespace)}/workflows/${encodeURIComponent(workflowId)}`;
    },
    temporalCommand(args) {
      const { temporalAddress = '127.0.0.1:7233', temporalNamespace = 'default' } = endpoints();
      const namespace = temporalNamespace === 'default' ? '' : ` --namespace ${temporalNamespace}`;
      return `${places.temporal} ${args} --address ${temporalAddress}${namespace}`;
    },
    async close() {
      await client?.then((connected) => connected.close()).catch(() => undefined);
    },
  };
}

function tokenIn(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new PerennialError(
      'Unavailable',
      `The control API's token is not in ${file}. Start the stack with ./perennial up, which makes it, or set PERENNIAL_TOKEN.`,
      { cause },
    );
  }
}
