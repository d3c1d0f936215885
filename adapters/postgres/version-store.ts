import { type Kysely, sql } from 'kysely';
import type { RegistryStore, VersionDraft } from '../../activities/registry-ports.js';
import type { DatasetRef } from '../../contracts/artifacts.js';
import { cardOfVersion, isUnnumbered } from '../../domain/card.js';
import { appendAudit } from './audit-log.js';
import { json } from './columns.js';
import { type Database, type DatabaseTransaction, inTransaction } from './database.js';
import { lockName } from './locks.js';
import { enqueueNotice } from './outbox.js';
import { storable, storableText } from './storable.js';

/** Versions of models: registered once, at stage None. */
export function createVersionStore(db: Kysely<Database>): Pick<RegistryStore, 'registerVersion' | 'champion'> {
  return {
    registerVersion: (draft, number) =>
      inTransaction(db, async (trx) => {
        await lockName(trx, `versions:${draft.model}`);
        const earlier = await trx
          .selectFrom('versions')
          .select('version')
          .where('model', '=', draft.model)
          .where('run', '=', draft.run)
          .executeTakeFirst();
        if (earlier !== undefined) return { version: earlier.version };
        const previous = await highestVersion(trx, draft.model);
        const numbered = number(previous);
        await insertVersion(trx, draft, { ...numbered, previous: previous?.version ?? null });
        return { version: numbered.version };
      }),

    async champion(model) {
      const row = await db
        .selectFrom('aliases')
        .innerJoin('versions', (join) =>
          join.onRef('versions.model', '=', 'aliases.model').onRef('versions.version', '=', 'aliases.version'),
        )
        .select(['versions.version', 'versions.package', 'versions.trained_to', 'versions.shape'])
        .where('aliases.model', '=', model)
        .where('aliases.alias', '=', 'champion')
        .executeTakeFirst();
      return row === undefined
        ? null
        : { version: row.version, package: row.package, trainedToMs: row.trained_to?.getTime() ?? null, shape: row.shape };
    },
  };
}

/** Refused ones count too: no number is given twice. */
async function highestVersion(trx: DatabaseTransaction, model: string) {
  const row = await trx
    .selectFrom('versions')
    .select(['version', 'shape'])
    .where('model', '=', model)
    .orderBy(sql`string_to_array(version, '.')::bigint[]`, 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

async function insertVersion(
  trx: DatabaseTransaction,
  draft: VersionDraft,
  numbered: { version: string; changelog: string; previous: string | null },
): Promise<void> {
  const { model, run, dataset, refused } = draft;
  if (dataset !== null) await insertDataset(trx, model, dataset);
  await trx
    .insertInto('versions')
    .values({
      model,
      version: numbered.version,
      run,
      definition_digest: draft.definitionDigest,
      previous_version: numbered.previous,
      package_digest: draft.package.digest,
      package: json(draft.package),
      signature_digest: draft.package.signature?.digest ?? null,
      stage: 'None',
      approval_status: refused === null ? 'pending' : 'rejected',
      risk: draft.risk,
      risk_reason: storableText(draft.riskReason),
      refused: refused === null ? null : storableText(refused),
      metrics: json(draft.metrics),
      champion_metrics: json(draft.championMetrics),
      candidate_metrics: json(draft.candidateMetrics ?? []),
      gates: json(storable(draft.gates)),
      evaluation: json(draft.evaluation),
      hyperparameters: json(draft.hyperparameters),
      dataset_digest: dataset?.digest ?? null,
      feature_schema: json(draft.features),
      signature: json(draft.signature),
      shape: json(draft.shape),
      card: storableText(isUnnumbered(draft.card) ? cardOfVersion(draft.card, numbered.version) : draft.card),
      changelog: storableText(numbered.changelog),
      tags: json({}),
      trained_from: draft.trainedFromMs === null ? null : new Date(draft.trainedFromMs),
      trained_to: draft.trainedToMs === null ? null : new Date(draft.trainedToMs),
    })
    .execute();
  const { requested_by: by } = await trx
    .updateTable('runs')
    .set({
      version: numbered.version,
      data_digest: dataset?.digest ?? null,
      trainer_manifest: draft.manifest === null ? null : json(storable(draft.manifest)),
    })
    .where('model', '=', model)
    .where('run', '=', run)
    .returning('requested_by')
    .executeTakeFirstOrThrow();
  const notice = draft.notice(numbered.version);
  if (notice !== null) await enqueueNotice(trx, notice);
  await appendAudit(trx, {
    model,
    action: 'version.register',
    by,
    outcome: refused === null ? 'done' : 'refused',
    reason: refused ?? `${numbered.changelog}; risk ${draft.risk}: ${draft.riskReason}`,
    details: {
      version: numbered.version,
      run,
      package: draft.package.digest,
      dataset: dataset?.digest ?? null,
      definition: draft.definitionDigest,
      metrics: draft.metrics,
    },
    key: `version.register:${model}:${run}`,
  });
}

async function insertDataset(trx: DatabaseTransaction, model: string, dataset: DatasetRef): Promise<void> {
  await trx
    .insertInto('datasets')
    .values({
      digest: dataset.digest,
      model,
      dataset: json(dataset),
      rows: dataset.rows,
      from_time: new Date(dataset.fromMs),
      to_time: new Date(dataset.toMs),
    })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute();
}
