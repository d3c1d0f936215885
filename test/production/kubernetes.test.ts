import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { describe, expect, test } from 'vitest';
import { gatewayConfig } from '../../gateway/gateway-config.js';
import { routes } from '../../gateway/http/routes.js';
import { readConfig } from '../../workers/config.js';
import { refuseOpenBind } from '../../workers/bind.js';
import { compose, imageEnvironment, interpolated, root, stageText, variables } from './compose-file.js';

type Labels = Readonly<Record<string, string>>;
type Probe = { readonly httpGet: { readonly path: string; readonly port: string } };
type Variable = {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly key: string } };
};
type Container = {
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly Variable[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
};
type Manifest = {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly replicas?: number;
    readonly selector: { readonly matchLabels?: Labels } & Labels;
    readonly maxUnavailable?: number;
    readonly clusterIP?: string;
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly scaleTargetRef?: { readonly name: string };
    readonly minReplicas?: number;
    readonly minReplicaCount?: number;
    readonly template: {
      readonly metadata: { readonly labels: Labels; readonly annotations: Labels };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
};

const documents = parseAllDocuments(readFileSync(join(root, 'deploy/kubernetes.yaml'), 'utf8'), { strict: true });
const manifests = documents.map((document) => document.toJS() as Manifest);
const ofKind = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
const deployment = ofKind('Deployment')[0]!;
const pod = deployment.spec.template.spec;
const container = pod.containers[0]!;
const page = readFileSync(join(root, 'docs/production.md'), 'utf8');
const autoscalers = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)]
  .map(([, text = '']) => parse(text) as Manifest)
  .filter(({ kind }) => kind === 'ScaledObject' || kind === 'HorizontalPodAutoscaler');

/** The environment of the container's process: the image's, and what the manifest sets. */
const environment = {
  ...imageEnvironment('serving'),
  ...Object.fromEntries(
    container.env.map(({ name, value, valueFrom }) => {
      const secret = { 'database-url': 'postgres://perennial@postgres/perennial', token: variables.PERENNIAL_TOKEN }[
        valueFrom?.secretKeyRef?.key ?? ''
      ];
      return [name, value ?? secret ?? 'x'.repeat(32)];
    }),
  ),
};

describe('deploy/kubernetes.yaml', () => {
  test('is YAML, and has the Deployment, its Services and its budget', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Deployment gateway',
      'Service gateway',
      'Service gateways',
      'PodDisruptionBudget gateway',
    ]);
  });

  test('runs the program and the image of the compose file, by variables that are read', () => {
    const service = compose.services['gateway']!;
    expect(container.image).toBe(interpolated(service.image!, variables));
    expect(container.args).toEqual(service.command);
    const read = readFileSync(join(root, 'workers/config.ts'), 'utf8');
    // Read by the manifest itself, and by the AWS SDK.
    for (const { name } of container.env) expect(read.includes(`'${name}'`) || ['POD_IP', 'AWS_REGION'].includes(name), name).toBe(true);
    const config = readConfig(environment);
    expect(() => refuseOpenBind(config)).not.toThrow();
    expect(config.objects.location).toBe('s3://perennial/objects');
    expect(container.env.findIndex(({ name }) => name === 'POD_IP')).toBeLessThan(
      container.env.findIndex(({ value }) => value?.includes('$(POD_IP)')),
    );
  });

  test('leaves the half of its memory to what is no model', () => {
    const { gatewayMemoryBytes } = readConfig(environment);
    expect(container.resources.limits.memory).toBe('2Gi');
    expect(gatewayMemoryBytes).toBe(1024 ** 3);
  });

  test('names the ports that the gateway listens on, everywhere alike', () => {
    const ports = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(ports).toEqual({
      rest: Number(environment['PERENNIAL_GATEWAY_PORT']),
      grpc: Number(environment['PERENNIAL_GATEWAY_GRPC_PORT']),
    });
    expect(environment['PERENNIAL_GATEWAY_URL']).toBe(`http://$(POD_IP):${ports['rest']}`);
    expect(deployment.spec.template.metadata.annotations['prometheus.io/port']).toBe(String(ports['rest']));
    for (const { spec } of ofKind('Service'))
      for (const { name, port, targetPort } of spec.ports) expect([targetPort, port]).toEqual([name, ports[name]]);
    expect(ofKind('Service').map(({ spec }) => spec.clusterIP)).toEqual([undefined, 'None']);
  });

  test('asks for health where everybody may ask, and takes no traffic before it is ready', () => {
    const kindOf = ({ httpGet }: Probe) => {
      expect(httpGet.port).toBe('rest');
      return routes.find(({ path, access }) => path === httpGet.path && access === 'open')?.kind;
    };
    expect([container.startupProbe, container.livenessProbe, container.readinessProbe].map(kindOf)).toEqual(['live', 'live', 'ready']);
    expect(routes.find(({ path }) => path === deployment.spec.template.metadata.annotations['prometheus.io/path'])?.kind).toBe('metrics');
  });

  test('gives it the time to answer what it has taken', () => {
    const { drainNoticeMs, drainLimitMs } = gatewayConfig({ id: 'x', host: 'x', port: 0, folder: 'x' });
    const waitMs = Number(/setTimeout\(\(\) => undefined, (\d+)\)/.exec(container.lifecycle.preStop.exec.command.at(-1)!)?.[1]);
    // Longer than a balancer takes to see that it is not ready, by its own probe.
    expect(waitMs).toBeGreaterThan(2_000);
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(waitMs + drainNoticeMs + drainLimitMs);
  });

  test('has volumes for every folder that is written to, and no other', () => {
    expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(pod.volumes.map(({ name }) => name).toSorted());
    const mounts = container.volumeMounts.map(({ mountPath }) => mountPath);
    expect(mounts).toEqual(['/var/lib/perennial/gateway', '/var/lib/perennial/keys/public', '/tmp']);
    expect(environment['PERENNIAL_TRUSTED_KEYS']).toMatch(/^\/var\/lib\/perennial\/keys\/public\//);
    expect(stageText('serving')).toContain('perennial/gateway');
  });

  test('has selectors that find its pods, and autoscalers that find it', () => {
    const { labels } = deployment.spec.template.metadata;
    const selectors = manifests.map(({ spec }) => spec.selector.matchLabels ?? spec.selector);
    for (const selector of selectors) expect(selector).toEqual({ app: labels['app'] });
    expect(deployment.spec.replicas).toBeUndefined();
    expect(autoscalers).toHaveLength(2);
    for (const { spec } of autoscalers) {
      expect(spec.scaleTargetRef).toMatchObject({ name: deployment.metadata.name });
      // The budget never asks for the last one.
      expect(spec.minReplicas ?? spec.minReplicaCount).toBeGreaterThan(ofKind('PodDisruptionBudget')[0]!.spec.maxUnavailable! + 1);
    }
  });
});
