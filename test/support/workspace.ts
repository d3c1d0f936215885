import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { testPlaces } from './servers.js';

/** A world of a test's own: an empty home beside the programs that set-up made once. */
export interface Workspace {
  readonly home: string;
  /** Variables for processes that the test starts. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A new, empty PERENNIAL_HOME, removed after the test run. */
export function freshWorkspace(): Workspace {
  const home = mkdtempSync(join(inject('testServers').folder, 'home-'));
  return { home, environment: { PERENNIAL_HOME: home, PERENNIAL_TOOLS: testPlaces().tools } };
}
