import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** Where the clone, its tools and its build lie; `npm run bench:<name>` says so. */
export type Places = { readonly root: string; readonly tools: string; readonly build: string; readonly python: string };

/** Reads what `npm run bench:<name>` sets. */
export function readPlaces(): Places {
  const { PERENNIAL_ROOT: root, PERENNIAL_TOOLS: tools, PERENNIAL_BUILD: build } = process.env;
  if (root === undefined || tools === undefined || build === undefined) {
    throw new Error('PERENNIAL_ROOT, PERENNIAL_TOOLS and PERENNIAL_BUILD are not set: run the benchmark by `npm run bench:<name>`');
  }
  return { root, tools, build, python: join(tools, 'python', 'bin', 'python') };
}

/** Resolves when a program says on stdout that it is ready; rejects with the end of its log when it ends before. */
export async function untilReady(child: ChildProcess, part: string, log: () => string): Promise<void> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (!text.split('\n').some((line) => line.startsWith('{"ready"'))) continue;
    child.stdout?.resume();
    return;
  }
  throw new Error(`${part} ended before it was ready:\n${log().split('\n').slice(-20).join('\n')}`);
}
