import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createContext } from '../../clients/cli/context.js';
import { registerVerbs } from '../../clients/cli/verbs/index.js';
import { root } from '../../tools/places.mjs';
import { anchors, codeBlocks, codeSpans, links, pages } from './markdown.js';

const all = pages();

describe.each(all)('$path', ({ path, text }) => {
  test('links to what exists', () => {
    expect(links(text).filter((target) => !/^(https?|mailto):/.test(target) && isDead(path, target))).toEqual([]);
  });

  test('names folders and files that exist', () => {
    const named = codeSpans(text).filter((code) => topFolder.test(code) && !/[<>*…\s]/.test(code));
    expect(named.filter((code) => !existsSync(join(root, code)))).toEqual([]);
  });

  test('shows commands of ./perennial that exist, with options that they have', () => {
    expect(commandLines(text).flatMap(faultsOf)).toEqual([]);
  });

  test('shows scripts of npm that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const shown = [...text.matchAll(/\bnpm run ([\w:-]+[\w])/g)].map(([, name = '']) => name);
    expect(shown.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  test('names variables that a program reads', () => {
    const named = [...new Set(text.match(/\bPERENNIAL_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [])];
    expect(named.filter((name) => !sources().includes(name))).toEqual([]);
  });

  test('tells nothing of the machine that it was written on', () => {
    expect(text).not.toMatch(/\/(work|root|home)\/[a-z]/);
  });
});

test('the index of docs/ names every page of it', () => {
  const index = all.find(({ path }) => path === 'docs/README.md');
  const linked = new Set(links(index?.text ?? '').map((target) => normalize(join('docs', target.split('#')[0] ?? ''))));
  const own = all.map(({ path }) => path).filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
  expect(own.filter((path) => !linked.has(path))).toEqual([]);
});

const topFolder =
  /^(models|domain|contracts|workflows|activities|adapters|trainers|gateway|workers|clients|schedules|test|bench|docs|tools)\/./;

function isDead(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? from : normalize(join(dirname(from), file));
  if (!existsSync(join(root, path))) return true;
  return anchor !== undefined && !anchors(readFileSync(join(root, path), 'utf8')).includes(anchor);
}

/** Every `./perennial …` of a page, in blocks and in the text, and what is given to `npm start`, as words. */
function commandLines(text: string): string[][] {
  const lines = [...codeBlocks(text).flatMap(({ code }) => code.replaceAll(/\\\n\s*/g, ' ').split('\n')), ...codeSpans(text)];
  return lines.flatMap((line) => {
    const start = /\bnpm start -- (.*)$/.exec(line)?.[1];
    const own = /(?:^|\s)\.\/perennial (.*)$/.exec(line)?.[1];
    const found = own ?? (start === undefined ? undefined : `up ${start}`);
    if (found === undefined) return [];
    // Quoted text is one word; what follows a comment, a pipe or "or" is another matter.
    const words = found.replace(/\s+(#|\||or|and)\s.*$/, '').match(/"[^"]*"|'[^']*'|[^\s]+/g) ?? [];
    return [words.map((word) => word.replace(/[,.;:]$/, ''))];
  });
}

/** What is wrong with a command line: an unknown verb, an unknown option. */
function faultsOf(words: readonly string[]): string[] {
  const line = words.join(' ');
  if (words[0] === undefined || !/^[a-z]/.test(words[0])) return [];
  let command = program;
  for (const word of words) {
    const sub = command.commands.find((one) => one.name() === word);
    if (sub === undefined) break;
    command = sub;
  }
  if (command === program) return [`${line}: there is no verb ${words[0]}`];
  const known = new Set([command, ...parents(command)].flatMap(optionNames));
  const isGroup = command.commands.length > 0;
  for (const sub of command.commands) for (const name of isGroup ? optionNames(sub) : []) known.add(name);
  return words.filter((word) => /^--?[a-z]/.test(word) && !known.has(word)).map((word) => `${line}: there is no option ${word}`);
}

const optionNames = (command: Command) => [...command.options.flatMap(({ long, short }) => [long, short]), '--help'];

function parents(command: Command): Command[] {
  return command.parent === null ? [] : [command.parent, ...parents(command.parent)];
}

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
const program = new Command('./perennial');
registerVerbs(program, createContext({ env: {}, stdout: nowhere, stderr: nowhere, stdin: Readable.from([]) }));

let text: string | undefined;
/** All programs in one text, to look names up in. */
function sources(): string {
  text ??= [
    ...['workers', 'clients', 'tools', 'adapters', 'bench', 'test'].flatMap(filesIn).map((path) => readFileSync(path, 'utf8')),
    readFileSync(join(root, 'docker-compose.yml'), 'utf8'),
  ].join('\n');
  return text;
}

function filesIn(folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => join(path, name))
    .filter((name) => /\.(ts|mjs|py)$/.test(name) && !name.includes('/docs/') && statSync(name).isFile());
}
