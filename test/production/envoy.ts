import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { testPlaces } from '../support/servers.js';
import { root } from './compose-file.js';

type Address = { socket_address: { address: string; port_value: number } };
type RetryPolicy = {
  readonly retry_on: string;
  readonly retriable_status_codes: readonly number[];
  readonly num_retries: number;
  readonly retry_host_predicate: readonly { readonly name: string }[];
};
export type ProxyRoute = {
  readonly match: { readonly prefix: string; readonly grpc?: object };
  readonly route: {
    readonly cluster: string;
    readonly timeout: string;
    readonly hash_policy: readonly { readonly header: { readonly header_name: string } }[];
    readonly retry_policy?: RetryPolicy;
  };
};
export type Endpoint = { address: Address; health_check_config?: { port_value: number } };
type Cluster = {
  readonly name: string;
  readonly health_checks: readonly { readonly http_health_check: { readonly path: string } }[];
  readonly circuit_breakers: {
    readonly thresholds: readonly { readonly retry_budget: { readonly budget_percent: { readonly value: number } } }[];
  };
  readonly load_assignment: { readonly endpoints: readonly { readonly lb_endpoints: { endpoint: Endpoint }[] }[] };
};
export type Proxy = {
  admin: { address: Address };
  readonly static_resources: {
    readonly listeners: readonly {
      address: Address;
      readonly filter_chains: readonly {
        readonly filters: readonly {
          readonly typed_config: {
            readonly preserve_external_request_id: boolean;
            readonly route_config: {
              readonly virtual_hosts: readonly { readonly retry_policy: RetryPolicy; readonly routes: readonly ProxyRoute[] }[];
            };
          };
        }[];
      }[];
    }[];
    readonly clusters: readonly Cluster[];
  };
};

/** The proxy's settings as they lie in the tree. */
export const readProxy = (): Proxy => parse(readFileSync(join(root, 'deploy/envoy.yaml'), 'utf8')) as Proxy;

/** The gateways of a cluster. */
export function endpointsOf(proxy: Proxy, cluster: string): Endpoint[] {
  const found = proxy.static_resources.clusters.find(({ name }) => name === cluster);
  if (found === undefined) throw new Error(`deploy/envoy.yaml has no cluster ${cluster}`);
  return found.load_assignment.endpoints.flatMap(({ lb_endpoints }) => lb_endpoints.map(({ endpoint }) => endpoint));
}

/** Envoy's own program, as the Python package has it; null where there is none for this machine. */
export function envoyProgram(): string | null {
  const library = join(testPlaces().pythonProxyEnvironment, 'lib');
  const found = readdirSync(library, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith('envoy/_bin/envoy'));
  return found === undefined ? null : join(library, found);
}

export type RunningEnvoy = { readonly url: string; readonly address: string; stop(): Promise<void> };

/** Starts Envoy with the settings of the tree, before gateways that listen elsewhere than in containers. */
export async function startEnvoy(
  program: string,
  gateways: readonly { readonly url: string; readonly grpcAddress: string }[],
): Promise<RunningEnvoy> {
  const proxy = readProxy();
  const loopback = (port: number): Address => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const listener = proxy.static_resources.listeners[0]!;
  [proxy.admin.address, listener.address] = [loopback(0), loopback(0)];
  const ports = gateways.map(({ url, grpcAddress }) => ({ rest: Number(new URL(url).port), grpc: Number(grpcAddress.split(':').at(-1)) }));
  for (const cluster of ['rest', 'grpc'] as const)
    endpointsOf(proxy, cluster).forEach((endpoint, place) => {
      const { rest, [cluster]: own } = ports[place]!;
      endpoint.address = loopback(own);
      if (endpoint.health_check_config !== undefined) endpoint.health_check_config.port_value = rest;
    });
  const folder = await mkdtemp(join(tmpdir(), 'perennial-envoy-'));
  const file = join(folder, 'envoy.json');
  writeFileSync(file, JSON.stringify(proxy));
  const told = join(folder, 'admin');
  const child = spawn(program, ['-c', file, '--admin-address-path', told, '--disable-hot-restart', '--concurrency', '1', '-l', 'error'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const address = await Promise.race([
      listening(told),
      ended.then(() => {
        throw new Error('Envoy ended: what it lacks is in its own words above');
      }),
    ]);
    return { url: `http://${address}`, address, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where it listens, once each gateway was asked for its health. */
async function listening(told: string): Promise<string> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    try {
      const admin = `http://${readFileSync(told, 'utf8').trim()}`;
      const { listener_statuses: listeners } = (await (await fetch(`${admin}/listeners?format=json`)).json()) as {
        listener_statuses: { local_address: Address }[];
      };
      const ready = await (await fetch(`${admin}/ready`)).text();
      if (ready.trim() !== 'LIVE') continue;
      const { address, port_value } = listeners[0]!.local_address.socket_address;
      return `${address}:${port_value}`;
    } catch {
      // It is not that far yet.
    }
  }
}
