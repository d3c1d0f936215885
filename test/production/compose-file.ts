import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '../..');

export type Service = {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number | null>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
};
export type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

export const composeText = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
export const compose = parse(composeText, { merge: true, strict: true }) as Compose;
export const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');

/** The services that run our own code. */
export const ours = Object.entries(compose.services).filter(([, service]) => service.build !== undefined);

/** A text after Compose has put in the variables: `${NAME:?why}` and `${NAME}` from those given, `${NAME:-default}`, `$$`. */
export function interpolated(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\$\$|\$\{([A-Za-z0-9_]+)(?::([-?])([^}]*))?\}/g,
    (whole, name: string | undefined, kind: string | undefined, rest: string) => {
      if (name === undefined) return '$';
      const value = variables[name];
      if (value !== undefined) return value;
      if (kind === '-') return rest;
      throw new Error(`docker compose would stop at ${whole}`);
    },
  );
}

/** The environment of a service's process: what its image sets, and what the compose file sets on top. */
export function environmentOf(service: Service, variables: Readonly<Record<string, string>>): Record<string, string> {
  const image = service.build === undefined ? {} : imageEnvironment(service.build.target);
  const own = Object.entries(service.environment ?? {}).filter(([, value]) => value !== null);
  return { ...image, ...Object.fromEntries(own.map(([name, value]) => [name, interpolated(String(value), variables)])) };
}

/** `ENV` of one stage of the Dockerfile, without build arguments. */
export function imageEnvironment(stage: string): Record<string, string> {
  const text = stageText(stage).replaceAll(/\\\n/g, ' ');
  const lines = [...text.matchAll(/^ENV (.+)$/gm)].map(([, line]) => line ?? '');
  const pairs = lines.flatMap((line) =>
    [...line.matchAll(/([A-Z_]+)=(\S+)/g)].map(([, name, value]) => [name ?? '', value ?? ''] as const),
  );
  return Object.fromEntries(pairs.filter(([, value]) => !value.startsWith('$')));
}

export function stageText(stage: string): string {
  const start = dockerfile.search(new RegExp(`^FROM \\S+ AS ${stage}$`, 'm'));
  if (start < 0) throw new Error(`the Dockerfile has no stage ${stage}`);
  const rest = dockerfile.slice(start + 1);
  const end = rest.search(/^FROM /m);
  return end < 0 ? rest : rest.slice(0, end);
}
