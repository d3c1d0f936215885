import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../tools/places.mjs';
import { pages } from './markdown.js';

/** Set by a program of ours for another. */
const ours = ['PERENNIAL_GATEWAY_PROCESS', 'PERENNIAL_GATEWAY_PROCESS_AGAIN', 'PERENNIAL_TOOLS', 'PERENNIAL_WORKER_ID'];

it('every variable that the processes read is documented', () => {
  const read = new Set(readFileSync(join(root, 'workers/config.ts'), 'utf8').match(/\bPERENNIAL_[A-Z0-9_]*[A-Z0-9]\b/g));
  expect(read.size).toBeGreaterThan(30);
  const text = pages()
    .map((page) => page.text)
    .join('\n');
  const named = new Set(text.match(/\bPERENNIAL_[A-Z0-9_]*[A-Z0-9]\b/g));
  expect([...read].filter((name) => !named.has(name) && !ours.includes(name))).toEqual([]);
});
