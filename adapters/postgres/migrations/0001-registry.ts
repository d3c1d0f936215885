import type { Kysely } from 'kysely';
import { createGovernance } from './0001/governance.js';
import { createRuns } from './0001/runs.js';
import { createVersions } from './0001/versions.js';

/** The registry: definitions, runs, versions, aliases, approvals, policy, people, audit, outbox. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createRuns(db);
  await createVersions(db);
  await createGovernance(db);
}
