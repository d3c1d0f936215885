import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { json } from '../../adapters/postgres/columns.js';
import type { Database } from '../../adapters/postgres/database.js';
import type { PackageRef } from '../../contracts/artifacts.js';
import type { ApprovalStatus } from '../../domain/version.js';

const digest = (): string => `sha256:${randomBytes(32).toString('hex')}`;
let runs = 0;

/** Registers a version with all rows that it stands on. */
export async function addVersion(
  db: Kysely<Database>,
  entry: { model: string; version: string; approval?: ApprovalStatus; package?: PackageRef },
): Promise<void> {
  const { model, version, approval = 'approved' } = entry;
  const run = `run-${(runs += 1)}`;
  const definition = digest();
  const dataset = digest();
  const at = new Date('2011-10-01T00:00:00Z');
  const nothing = json({});
  const pack = entry.package ?? { digest: digest(), files: [] };
  await db
    .insertInto('definitions')
    .values({ digest: definition, model, definition: json({ name: model }), published_by: 'test' })
    .execute();
  await db
    .insertInto('runs')
    .values({
      model,
      run,
      number: runs,
      definition_digest: definition,
      clock: json({ kind: 'live' }),
      as_of: at,
      trigger: 'manual',
      requested_by: 'ann',
      reason: 'test',
      use_cache: true,
      code_revision: 'none',
      machine: nothing,
      packages: nothing,
      seeds: nothing,
    })
    .execute();
  await db.insertInto('datasets').values({ digest: dataset, model, dataset: nothing, rows: 1, from_time: at, to_time: at }).execute();
  await db
    .insertInto('versions')
    .values({
      model,
      version,
      run,
      definition_digest: definition,
      package_digest: pack.digest,
      package: json(pack),
      stage: 'None',
      approval_status: approval,
      risk: 'limited',
      risk_reason: 'test',
      metrics: json([]),
      champion_metrics: json([]),
      candidate_metrics: json([]),
      gates: json([]),
      evaluation: nothing,
      hyperparameters: nothing,
      dataset_digest: dataset,
      feature_schema: json([]),
      signature: nothing,
      shape: nothing,
      card: '',
      changelog: '',
      tags: nothing,
      trained_from: at,
      trained_to: at,
    })
    .execute();
}
