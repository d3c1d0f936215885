import { join } from 'node:path';
import { inject } from 'vitest';
import { withLock } from '../../tools/lock.mjs';
import { placesFor } from '../../tools/places.mjs';
import { startPostgres, type RunningPostgres } from '../../tools/servers/postgres.mjs';
import { startTemporal, type RunningTemporal } from '../../tools/servers/temporal.mjs';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of this run's servers, and the folder of what set-up made. */
    testServers: { folder: string; tools: string };
  }
}

let postgres: Promise<RunningPostgres> | undefined;
let temporal: Promise<RunningTemporal> | undefined;

/** Where the programs that set-up made lie, for tests that run them. */
export function testPlaces(): ReturnType<typeof placesFor> {
  return placesFor({ PERENNIAL_TOOLS: inject('testServers').tools });
}

/** The Postgres of this test run. The first caller of all test files starts it. */
export function testPostgres(): Promise<RunningPostgres> {
  const folder = join(inject('testServers').folder, 'postgres');
  postgres ??= withLock(`${folder}.lock`, () => startPostgres({ folder, preferredPort: 0, durable: false }));
  return postgres;
}

/** The Temporal dev server of this test run. The first caller of all test files starts it. */
export function testTemporal(): Promise<RunningTemporal> {
  const folder = join(inject('testServers').folder, 'temporal');
  temporal ??= withLock(`${folder}.lock`, () =>
    startTemporal({
      folder,
      executable: testPlaces().temporal,
      preferredPort: 0,
      preferredUiPort: 0,
      keep: false,
    }),
  );
  return temporal;
}
