import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { describe, expect, test } from 'vitest';
import { entryPoints } from '../../tools/entry-points.mjs';
import { searchAttributes } from '../../tools/servers/temporal-namespace.mjs';
import { readConfig } from '../../workers/config.js';
import {
  compose,
  composeText,
  dockerfile,
  environmentOf,
  imageEnvironment,
  interpolated,
  ours,
  root,
  stageText,
  type Service,
  variables,
} from './compose-file.js';
import { endpointsOf, readProxy } from './envoy.js';

const services = Object.entries(compose.services);
const behindProxy = endpointsOf(readProxy(), 'rest').map(({ address }) => address.socket_address.address);
/** Read by the AWS SDK, Node and Python themselves. */
const readByOthers = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'NODE_ENV', 'NODE_OPTIONS', 'PYTHONDONTWRITEBYTECODE'];
const readByConfig = new Set(
  [...readFileSync(join(root, 'workers/config.ts'), 'utf8').matchAll(/'([A-Z][A-Z0-9_]+)'/g)].map(([, name]) => name ?? ''),
);

test('the parts of production are all there', () => {
  expect(services.map(([name]) => name).toSorted()).toEqual(
    [
      'api',
      'cpu-worker',
      'gateway',
      'gateway-2',
      'gpu-worker',
      'lifecycle-worker',
      'postgres',
      'proxy',
      's3',
      's3-bucket',
      'temporal',
      'temporal-namespace',
      'temporal-schema',
      'temporal-ui',
    ].toSorted(),
  );
  expect(composeText).not.toContain('auto-setup');
});

describe('images', () => {
  test('of others are pinned to a whole version', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image ?? '');
    const others = services.filter(([, service]) => service.build === undefined).map(([, service]) => service.image ?? '');
    expect(bases.length).toBeGreaterThan(3);
    for (const image of [...bases, ...others]) expect(image).toMatch(/^[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$/);
  });

  test('of one server and its tools have one version', () => {
    const of = (name: string) => compose.services[name]?.image?.split(':')[1];
    expect(of('temporal-schema')).toBe(of('temporal'));
    expect(of('temporal-namespace')).toBe(of('temporal'));
    expect(of('s3-bucket')).toBe(of('s3'));
  });

  test('of ours come from stages that exist, run without privileges, and copy what exists', () => {
    for (const [, service] of ours) {
      const stage = stageText(service.build?.target ?? '');
      expect(stage.match(/^USER .+$/gm)?.at(-1)).toBe('USER node');
      expect(stage).toContain('ENTRYPOINT ["node"]');
    }
    const sources = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) => (paths ?? '').split(' '));
    for (const path of sources) expect(existsSync(join(root, path)), path).toBe(true);
  });
});

describe('every process of ours', () => {
  test.each(ours)('%s: starts a program that is bundled', (_, service) => {
    const [program, ...rest] = service.command ?? [];
    expect(rest).toEqual([]);
    const source = (program ?? '').replace(/^dist\//, '').replace(/\.js$/, '.ts');
    expect(entryPoints).toContain(source);
    expect(existsSync(join(root, source)), source).toBe(true);
  });

  test.each(ours)('%s: is given only variables that are read, and all that it needs', (_, service) => {
    const environment = environmentOf(service, variables);
    const named = [...Object.keys(service.environment ?? {}), ...Object.keys(imageEnvironment(service.build?.target ?? ''))];
    for (const name of named) expect(readByConfig.has(name) || readByOthers.includes(name), `${name} is read by nobody`).toBe(true);
    const config = readConfig(environment);
    expect(config.databaseUrl).toBe('postgres://perennial:secretB@postgres:5432/perennial');
    expect(config.temporal).toMatchObject({ address: 'temporal:7233', namespace: 'perennial' });
    expect(config.objects).toEqual({ location: 's3://perennial/objects', endpoint: 'http://s3:8333', region: 'us-east-1' });
    expect(config.home).toBe('/var/lib/perennial');
    expect(config.workflowBundle).toBe('/opt/perennial/dist/workflow-bundle.js');
  });

  test('that is asked for its health serves that path', () => {
    const pathOf = (name: string) =>
      /fetch\('http:\/\/127\.0\.0\.1:\d+([^']+)'/.exec(compose.services[name]?.healthcheck?.test.join(' ') ?? '')?.[1] ?? 'none';
    const sources = { api: 'clients/api/create-api.ts', gateway: 'gateway/oip/metadata.ts' };
    for (const [name, source] of Object.entries(sources)) expect(readFileSync(join(root, source), 'utf8'), name).toContain(pathOf(name));
  });

  test('that listens beyond its container asks for a token and is published to this machine alone', () => {
    for (const [name, service] of services) {
      for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    }
    for (const [name, service] of ours) {
      const { PERENNIAL_BIND, PERENNIAL_TOKEN } = environmentOf(service, variables);
      const isReached = service.ports !== undefined || behindProxy.includes(name);
      expect(isReached, name).toBe(PERENNIAL_BIND !== undefined);
      if (PERENNIAL_BIND !== undefined) expect(PERENNIAL_TOKEN, name).toBe(variables.PERENNIAL_TOKEN);
    }
  });

  test('writes only where a volume or its own folder is', () => {
    const prepared = [...stageText('serving').matchAll(/perennial\/([a-z/]+)/g)].map(([, path]) => path ?? '');
    for (const [name, service] of ours) {
      for (const volume of service.volumes ?? []) {
        const target = volume.split(':/')[1]?.replace(/:ro$/, '').replace('var/lib/perennial/', '') ?? '';
        // A named volume takes its owner from the image's folder; a folder that is not there would be root's.
        expect(prepared, `${name}: ${volume}`).toContain(target);
      }
    }
  });

  test('that never signs does not see the signing key', () => {
    for (const [name, service] of ours) {
      const signs = name === 'cpu-worker' || name === 'gpu-worker';
      const seesKey = (service.volumes ?? []).some((volume) => volume.startsWith('keys:'));
      expect(seesKey, name).toBe(signs);
      expect(environmentOf(service, variables)['PERENNIAL_TRUSTED_KEYS'] !== undefined, name).toBe(!signs);
      if (!signs)
        expect(service.volumes?.filter((volume) => volume.includes('/keys'))).toEqual(['public-keys:/var/lib/perennial/keys/public:ro']);
    }
  });
});

describe('the file', () => {
  test('names no service, volume or config that it does not define', () => {
    const named = (service: Service) =>
      (service.volumes ?? []).map((volume) => volume.split(':')[0] ?? '').filter((source) => /^[a-z][a-z-]*$/.test(source));
    for (const [name, service] of services) {
      for (const other of Object.keys(service.depends_on ?? {}))
        expect(compose.services, `${name} waits for ${other}`).toHaveProperty(other);
      for (const volume of named(service)) expect(Object.keys(compose.volumes), name).toContain(volume);
      for (const { source } of service.configs ?? []) expect(compose.configs, name).toHaveProperty(source);
    }
  });

  test('waits for health only where health is checked', () => {
    for (const [name, service] of services) {
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        if (condition === 'service_healthy') expect(compose.services[other]?.healthcheck, `${name} waits for ${other}`).toBeDefined();
      }
    }
  });

  test('holds no secret, and stops with the name of one that is missing', () => {
    for (const [name, service] of services) {
      for (const [variable, value] of Object.entries(service.environment ?? {})) {
        // Without a value it is given from outside.
        if (value !== null && /PASSWORD|PWD|SECRET|TOKEN/.test(variable))
          expect(String(value), `${name} ${variable}`).toMatch(/^\$\{[A-Z0-9_]+(:\?[^}]+)?\}$/);
      }
    }
    for (const missing of Object.keys(variables)) {
      const others = Object.fromEntries(Object.entries(variables).filter(([name]) => name !== missing));
      expect(() => interpolated(composeText, others), missing).toThrow(missing);
    }
    expect(() => interpolated(composeText, variables)).not.toThrow();
  });

  test('has scripts that a shell can parse, and settings that are YAML', () => {
    const scripts = services
      .filter(([, service]) => service.entrypoint?.[0] === '/bin/sh')
      .map(([, service]) => service.command?.[0] ?? '');
    scripts.push(compose.configs['postgres-roles']?.content ?? '');
    expect(scripts).toHaveLength(4);
    for (const script of scripts) {
      const { status, stderr } = spawnSync('sh', ['-n'], { input: interpolated(script, variables), encoding: 'utf8' });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    }
    expect(parse(compose.configs['temporal-dynamic-config']?.content ?? '')).toHaveProperty(['history.timerProcessorMaxTimeShift']);
    expect(parse(compose.configs['temporal-dynamic-config']?.content ?? '')).toHaveProperty(['system.enableActivityEagerExecution']);
  });

  test('registers the search attributes that the workflows use', () => {
    const script = compose.services['temporal-namespace']?.command?.[0] ?? '';
    for (const name of searchAttributes) expect(script).toContain(`--name ${name} --type Keyword`);
    expect(script).toContain('--retention 90d');
  });
});
