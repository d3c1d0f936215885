import { type Kysely, sql } from 'kysely';
import { definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import type { ModelDefinition, PublishedDefinition } from '../../domain/model-definition.js';
import { appendAudit } from './audit-log.js';
import { json } from './columns.js';
import { type Database, inTransaction } from './database.js';
import { lockName } from './locks.js';

export type Publication = { readonly model: string; readonly digest: string; readonly previous: string | null; readonly changed: boolean };

/**
 * Publishes definitions by digest and makes each the active one of its model: all or none, audited. Publishing what is
 * active already changes nothing. Throws `DataInvalid` on a definition that is not one.
 */
export async function publishDefinitions(
  db: Kysely<Database>,
  { definitions, by, reason }: { definitions: readonly ModelDefinition[]; by: string; reason?: string },
): Promise<Publication[]> {
  const checked = definitions.map((definition) => parseDefinition(definition)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return await inTransaction(db, async (trx) => {
    const publications: Publication[] = [];
    for (const definition of checked) {
      const model = definition.name;
      const digest = definitionDigest(definition);
      await lockName(trx, `definition:${model}`);
      const active = await trx.selectFrom('active_definitions').select('digest').where('model', '=', model).executeTakeFirst();
      publications.push({ model, digest, previous: active?.digest ?? null, changed: active?.digest !== digest });
      if (active?.digest === digest) continue;
      await trx
        .insertInto('definitions')
        .values({ digest, model, definition: json(definition), published_by: by })
        .onConflict((conflict) => conflict.column('digest').doNothing())
        .execute();
      await trx
        .insertInto('active_definitions')
        .values({ model, digest, activated_by: by })
        .onConflict((conflict) => conflict.column('model').doUpdateSet({ digest, activated_by: by, activated_at: sql`clock_timestamp()` }))
        .execute();
    }
    for (const { model, digest, previous, changed } of publications) {
      if (!changed) continue;
      await appendAudit(trx, {
        model,
        action: 'definition.publish',
        by,
        outcome: 'done',
        reason: reason ?? 'the definition changed',
        details: { before: previous, after: digest },
      });
    }
    return publications;
  });
}

/** The definition that new runs of a model start with, or null. */
export async function activeDefinition(db: Kysely<Database>, model: string): Promise<PublishedDefinition | null> {
  const row = await db
    .selectFrom('active_definitions as active')
    .innerJoin('definitions', 'definitions.digest', 'active.digest')
    .select(['definitions.digest', 'definitions.definition'])
    .where('active.model', '=', model)
    .executeTakeFirst();
  return row ?? null;
}

/** The active definition of every model, by name. */
export async function activeDefinitions(db: Kysely<Database>): Promise<ModelDefinition[]> {
  const rows = await db
    .selectFrom('active_definitions as active')
    .innerJoin('definitions', 'definitions.digest', 'active.digest')
    .select('definitions.definition')
    .orderBy('active.model')
    .execute();
  return rows.map(({ definition }) => definition);
}

/** A published definition of a model by its digest, or null. */
export async function definitionByDigest(db: Kysely<Database>, model: string, digest: string): Promise<PublishedDefinition | null> {
  const row = await db
    .selectFrom('definitions')
    .select(['digest', 'definition'])
    .where('model', '=', model)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row ?? null;
}
