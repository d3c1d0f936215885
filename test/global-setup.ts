import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { guard } from '../tools/servers/guard.mjs';
import { setUp } from '../tools/setup.mjs';
import './support/servers.js';

/**
 * Gives the whole test run one folder for its servers. They are started by the first test that
 * needs them (support/servers.ts) and end with the run, however it ends.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // `npm test` bundles too; a plain `vitest run` tests the sources and needs only the programs.
  const { places } = await setUp({ need: ['test'] });
  const folder = mkdtempSync(join(tmpdir(), 'perennial-test-'));
  // Postgres runs as another user when the tests run as root.
  chmodSync(folder, 0o711);
  const end = guard(folder);
  project.provide('testServers', { folder, tools: places.tools });
  return end;
}
