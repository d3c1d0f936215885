import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import { writeTable } from '../../bench/lifecycle/table.js';
import type { Report } from '../../bench/report.js';
import { placesFor } from '../../tools/places.mjs';
import { testPlaces } from '../support/servers.js';

describe('bench:lifecycle', () => {
  it('runs all its parts on the real stack and prints rows and bars last', async () => {
    const { root } = placesFor();
    const child = spawn(process.execPath, [join(root, 'tools', 'bench.mjs'), 'lifecycle', '--small', '--json'], {
      cwd: root,
      env: { ...process.env, PERENNIAL_TOOLS: testPlaces().tools },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    expect((await once(child, 'exit'))[0]).toBe(0);
    const made = JSON.parse(output.trim().split('\n').at(-1)!) as Report;
    expect(made.bench).toBe('lifecycle');
    const value = (name: string) => made.rows.find((row) => row.name === name)?.value;
    expect(value('5 lifecycles at once: promoted')).toBe(4);
    expect(value('5 lifecycles at once: refused by their gate')).toBe(1);
    // What does not hang on time: the other bars say nothing at this size.
    expect(made.bars.filter(({ name }) => /failed|otherwise/.test(name)).map(({ holds }) => holds)).toEqual([true, true]);
    expect(made.bars.map(({ name }) => name)).toContain('retrain, 5,000 x 30, wall (median of 1)');
  });

  it('makes the same table each time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'perennial-table-'));
    try {
      const shape = { rows: 300, features: 4 };
      const digests: string[] = [];
      for (const name of ['a.parquet', 'b.parquet']) {
        await writeTable(shape, join(folder, name));
        const hash = createHash('sha256');
        await pipeline(createReadStream(join(folder, name)), hash);
        digests.push(hash.digest('hex'));
      }
      expect(digests[0]).toBe(digests[1]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
