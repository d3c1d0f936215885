import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { sourceFolders } from '../tools/entry-points.mjs';
import { workflowBundle } from './workflows/world.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folders = [...sourceFolders, 'test', 'bench', 'tools'];

type Source = { readonly path: string; readonly folder: string; readonly text: string; readonly lines: number };

const sources: readonly Source[] = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ts|mts|mjs|js|tsx)$/.test(path) && !path.includes('node_modules'))
      .map((path) => {
        const text = readFileSync(join(root, folder, path), 'utf8');
        return { path: `${folder}/${path}`, folder, text, lines: text.split('\n').length - 1 };
      }),
  );

type Imported = { readonly target: string; readonly local: boolean; readonly typeOnly: boolean };

/** What a file imports: relative paths as paths from the root, packages by their name. Types count: they tie as well. */
function importsOf(source: Source): Imported[] {
  // Comments may speak of imports.
  const code = source.text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statements = /(?:^|\n)\s*(?:import|export)(\s+type)?\b[^;'"]*?\bfrom\s+['"]([^'"\n]+)['"]|\bimport\s*\(?\s*['"]([^'"\n]+)['"]/g;
  return [...code.matchAll(statements)].map((match) => {
    const target = match[2] ?? match[3] ?? '';
    const local = target.startsWith('.');
    return { target: local ? relative(root, join(root, dirname(source.path), target)) : target, local, typeOnly: match[1] !== undefined };
  });
}

const edges = sources.flatMap((source) => importsOf(source).map((imported) => ({ from: source, ...imported })));
const say = (from: Source, target: string) => `${from.path} imports ${target}`;

describe('the direction of imports', () => {
  test('is read from the files: there are some, and the checks see them', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(edges.some(({ from, target }) => from.path === 'workflows/index.ts' && target === 'workflows/retrain.workflow.js')).toBe(true);
    expect(
      edges.filter(
        ({ local, target }) => local && !existsSync(join(root, target.replace(/\.js$/, '.ts'))) && !existsSync(join(root, target)),
      ),
    ).toEqual([]);
  });

  // What each folder may see of the tree. A file may always see its own folder.
  const allowed: Readonly<Record<string, readonly string[]>> = {
    domain: [],
    contracts: ['domain'],
    models: ['contracts', 'domain'],
    workflows: ['contracts', 'domain'],
    activities: ['contracts', 'domain'],
    adapters: ['activities', 'contracts', 'domain'],
    gateway: ['activities', 'contracts', 'domain'],
    // The control API, the command line and the rehearsal are processes of their own: they compose what they run on, and
    // answer from Postgres when no worker is up. What other services import (clients/client) sees no more than contracts.
    clients: ['contracts', 'domain', 'adapters', 'activities', 'schedules', 'tools'],
    schedules: ['contracts', 'clients', 'domain'],
  };
  test.each(Object.entries(allowed))('%s sees only %j', (folder, seen) => {
    const wrong = edges
      .filter(({ from, local }) => local && from.folder === folder)
      .filter(({ target }) => ![folder, ...seen].includes(target.split('/')[0] ?? ''));
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('gives other services a client that runs without the rest', () => {
    const reached = new Set(sources.map(({ path }) => path).filter((path) => path.startsWith('clients/client/')));
    expect(reached.size).toBeGreaterThan(0);
    for (const path of reached)
      for (const { from, local, target, typeOnly } of edges)
        if (local && !typeOnly && from.path === path) reached.add(target.replace(/\.js$/, '.ts'));
    expect([...reached].filter((path) => !/^(contracts|domain|clients\/(client|api))\//.test(path))).toEqual([]);
  });

  test('gives everybody an inference client that stands alone: Node, and its own files', () => {
    const own = edges.filter(({ from }) => from.path.startsWith('clients/inference/'));
    expect(own.length).toBeGreaterThan(0);
    const wrong = own.filter(({ local, target }) => (local ? !target.startsWith('clients/inference/') : !target.startsWith('node:')));
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('has adapters, the gateway and clients see of activities/ the ports alone', () => {
    const wrong = edges.filter(
      ({ from, local, target }) =>
        local &&
        ['adapters', 'gateway', 'clients'].includes(from.folder) &&
        target.startsWith('activities/') &&
        !target.endsWith('ports.js'),
    );
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('leaves workers and tests to themselves', () => {
    const wrong = edges.filter(
      ({ from, local, target }) =>
        local &&
        ((target.startsWith('workers/') && !['workers', 'test', 'bench'].includes(from.folder)) ||
          (target.startsWith('test/') && !['test', 'bench'].includes(from.folder))),
    );
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('keeps domain/ free of packages and of Node', () => {
    const wrong = edges.filter(({ from, local }) => !local && from.folder === 'domain');
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('keeps Node out of workflows/ and what they see', () => {
    const wrong = edges.filter(
      ({ from, local, target }) =>
        !local && from.folder === 'workflows' && !['@temporalio/workflow', '@temporalio/common'].includes(target),
    );
    expect(wrong.map(({ from, target }) => say(from, target))).toEqual([]);
  });

  test('bundles from workflows/index.ts', async () => {
    const { code } = await workflowBundle();
    expect(code.length).toBeGreaterThan(10_000);
  });
});

describe('the environment', () => {
  test('is read in four places', () => {
    const readers = sources
      .filter(({ folder, text }) => !['tools', 'test', 'bench'].includes(folder) && /\bprocess\.env\b/.test(text))
      .map(({ path }) => path);
    const mayRead = ['workers/config.ts', 'workers/process.ts', 'clients/cli/main.ts'];
    expect(readers.filter((path) => !mayRead.includes(path))).toEqual([]);
    expect(readers).not.toEqual([]);
  });
});

describe('time in workflows/', () => {
  test('comes from clock.ts', () => {
    const wrong = sources
      .filter(({ folder, path }) => folder === 'workflows' && path !== 'workflows/clock.ts')
      .filter(({ text }) => /\bsleep\b\s*[(,}]|\bDate\.now\b|\bnew Date\(\)|\bsetTimeout\b|\bperformance\b/.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

describe('a file', () => {
  test('is short enough to be read: 400 lines, tests 600', () => {
    const long = sources.filter(({ folder, lines }) => lines > (folder === 'test' || folder === 'bench' ? 600 : 400));
    expect(long.map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([]);
  });

  test('has a name in kebab-case, with one of the fixed suffixes', () => {
    const suffixes = 'workflow|activities|worker|schedule|test|config|d|bench';
    const named = new RegExp(`^[a-z0-9]+(-[a-z0-9]+)*(\\.(${suffixes}))?\\.(ts|mts|mjs|js|tsx)$`);
    const wrong = sources.filter(({ path }) => !named.test(basename(path)));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test('of a kind lies where that kind lies', () => {
    const homes: Readonly<Record<string, string>> = {
      workflow: 'workflows',
      activities: 'activities',
      worker: 'workers',
      schedule: 'schedules',
      test: 'test',
    };
    const wrong = sources.filter(({ path, folder }) => {
      const kind = /\.([a-z]+)\.ts$/.exec(path)?.[1];
      const home = kind === undefined ? undefined : homes[kind];
      return home !== undefined && home !== folder && !['test', 'bench'].includes(folder);
    });
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  test('is named for what is in it', () => {
    expect(sources.map(({ path }) => path).filter((path) => /(^|\/)(utils?|helpers?|misc|common)(\/|\.)/.test(path))).toEqual([]);
  });
});
