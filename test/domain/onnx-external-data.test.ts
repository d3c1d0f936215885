import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookForExternalData } from '../../domain/onnx-external-data.js';

const folder = new URL('../gateway/fixtures/', import.meta.url);
const fixtures = readdirSync(folder)
  .filter((name) => name.endsWith('.onnx'))
  .map((name): [string, Uint8Array] => [name, readFileSync(new URL(name, folder))]);

describe('a look for external data', () => {
  it.each(fixtures)('finds %s whole', (_, bytes) => {
    expect(lookForExternalData(bytes)).toEqual({ kind: 'whole' });
  });

  it('answers for any bytes at all, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(['whole', 'external', 'broken']).toContain(lookForExternalData(bytes).kind);
      }),
      { numRuns: 2_000 },
    );
  });

  it('answers for real files that were cut or changed anywhere', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...fixtures.map(([, bytes]) => bytes)),
        fc.array(fc.record({ at: fc.nat(), value: fc.nat(255) }), { maxLength: 8 }),
        fc.nat(),
        (file, changes, end) => {
          const bytes = Uint8Array.from(file);
          for (const { at, value } of changes) bytes[at % bytes.length] = value;
          expect(['whole', 'external', 'broken']).toContain(lookForExternalData(bytes.subarray(0, end % (bytes.length + 1))).kind);
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('gives up on nesting that no model has, and on lengths beyond the file', () => {
    // A graph (7) with a node (1) with an attribute (5) with a graph (6), and so on.
    let inner = Buffer.from([]);
    for (let level = 0; level < 500; level++) {
      const field = [1, 5, 6][(499 - level) % 3]!;
      const length = inner.length < 128 ? [inner.length] : [(inner.length & 127) | 128, inner.length >> 7];
      inner = Buffer.concat([Buffer.from([field * 8 + 2, ...length]), inner]);
    }
    const deep = Buffer.concat([Buffer.from([8, 8, 7 * 8 + 2, (inner.length & 127) | 128, inner.length >> 7]), inner]);
    expect(lookForExternalData(deep)).toEqual({ kind: 'broken', reason: 'it is nested deeper than 100' });
    expect(lookForExternalData(Buffer.from([8, 8, 58, 255, 255, 255, 255, 15, 0]))).toMatchObject({ kind: 'broken' });
    expect(lookForExternalData(Buffer.from([8, 8, 58, 0]))).toEqual({ kind: 'whole' });
  });
});
