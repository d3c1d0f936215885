import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export const root = join(import.meta.dirname, '../..');

export type Service = {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly profiles?: readonly string[];
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

/** Every variable that the compose file asks for. */
export const variables = {
  POSTGRES_PASSWORD: 'secretA',
  PERENNIAL_DB_PASSWORD: 'secretB',
  TEMPORAL_DB_PASSWORD: 'secretC',
  S3_SECRET_KEY: 'secretD',
  PERENNIAL_TOKEN: 'a-token-of-at-least-32-characters',
};

/** A text after Compose has put in the variables: `${NAME:?why}` and `${NAME}` from those given, `${NAME:-default}`, `$$`. */
export function interpolated(text: string, variables: Readonly<Record<string, string>>): string {
  let result = '';
  let from = 0;
  for (const match of text.matchAll(/\$\$|\$\{(?<name>[A-Za-z0-9_]+)(?::(?<kind>[-?])(?<rest>[^}]*))?\}/g)) {
    const { name, kind, rest = '' } = match.groups ?? {};
    const value = name === undefined ? '$' : (variables[name] ?? (kind === '-' ? rest : undefined));
    if (value === undefined) throw new Error(`docker compose would stop at ${match[0]}`);
    result += text.slice(from, match.index) + value;
    from = match.index + match[0].length;
  }
  return result + text.slice(from);
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
