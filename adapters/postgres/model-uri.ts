import { type Kysely, sql } from 'kysely';
import { PerennialError } from '../../domain/errors.js';
import type { Alias, Stage } from '../../domain/version.js';
import type { Database } from './database.js';

export type ModelReference =
  | { readonly kind: 'alias'; readonly model: string; readonly alias: Alias }
  | { readonly kind: 'version'; readonly model: string; readonly version: string }
  | { readonly kind: 'latest'; readonly model: string }
  | { readonly kind: 'stage'; readonly model: string; readonly stage: Stage };

export type AliasPeriod = {
  readonly alias: Alias;
  readonly version: string;
  readonly fromMs: number;
  /** Null: it holds the alias still. */
  readonly toMs: number | null;
  readonly by: string;
  readonly reason: string;
  readonly promotionId: string;
};

const form = /^models:\/([a-z][a-z0-9-]*)(?:@([a-z]+)|\/([A-Za-z0-9.]+))$/;
const stages: Readonly<Record<string, Stage>> = { none: 'None', staging: 'Staging', production: 'Production', archived: 'Archived' };

/** Reads `models:/<name>@<alias>`, `models:/<name>/<version>`, `…/latest` and `…/<stage>`; `DataInvalid` on anything else. */
export function parseModelUri(uri: string): ModelReference {
  const [, model, alias, selector] = form.exec(uri) ?? [];
  if (model !== undefined && (alias === 'champion' || alias === 'challenger' || alias === 'previous'))
    return { kind: 'alias', model, alias };
  if (model !== undefined && selector !== undefined) {
    if (/^\d+\.\d+\.\d+$/.test(selector)) return { kind: 'version', model, version: selector };
    if (selector === 'latest') return { kind: 'latest', model };
    const stage = stages[selector.toLowerCase()];
    if (stage !== undefined) return { kind: 'stage', model, stage };
  }
  throw new PerennialError(
    'DataInvalid',
    `"${uri}" names no model. Write models:/<name>@champion (or challenger, previous), models:/<name>/1.0.0, models:/<name>/latest or models:/<name>/production.`,
    { details: { uri } },
  );
}

/**
 * The version that a URI names: now, or, for an alias, at a past moment (`atMs`, wall time). `Conflict` when there is
 * none, and for another kind of URI with a moment.
 */
export async function resolveUri(
  db: Kysely<Database>,
  uri: string,
  { atMs }: { atMs?: number } = {},
): Promise<{ model: string; version: string }> {
  const reference = parseModelUri(uri);
  if (atMs !== undefined && reference.kind !== 'alias') {
    throw new PerennialError(
      'DataInvalid',
      `${uri} has no history; ask for an alias at a moment, as models:/${reference.model}@champion.`,
      { details: { uri } },
    );
  }
  const version = await versionOf(db, reference, atMs);
  if (version === null) {
    throw new PerennialError(
      'Conflict',
      `${uri} names no version${atMs === undefined ? '' : ` at ${new Date(atMs).toISOString()}`}; ./perennial versions ${reference.model} lists those that exist.`,
      { details: { uri } },
    );
  }
  return { model: reference.model, version };
}

/** Who was live at a moment (wall time), or null. */
export const championAt = (db: Kysely<Database>, model: string, atMs: number): Promise<string | null> =>
  holderAt(db, { model, alias: 'champion' }, atMs);

/** Who held which alias when, newest first. */
export async function aliasHistory(db: Kysely<Database>, model: string): Promise<AliasPeriod[]> {
  const rows = await db
    .selectFrom('alias_history')
    .selectAll()
    .where('model', '=', model)
    .orderBy('valid_from', 'desc')
    .orderBy('id', 'desc')
    .execute();
  return rows.map((row) => ({
    alias: row.alias,
    version: row.version,
    fromMs: row.valid_from.getTime(),
    toMs: row.valid_to?.getTime() ?? null,
    by: row.changed_by,
    reason: row.reason,
    promotionId: row.promotion_id,
  }));
}

/** The aliases of a model and who holds them. */
export async function currentAliases(db: Kysely<Database>, model: string): Promise<Partial<Record<Alias, string>>> {
  const rows = await db.selectFrom('aliases').select(['alias', 'version']).where('model', '=', model).execute();
  return Object.fromEntries(rows.map((row) => [row.alias, row.version]));
}

async function versionOf(db: Kysely<Database>, reference: ModelReference, atMs: number | undefined): Promise<string | null> {
  const versions = db.selectFrom('versions').select('version').where('model', '=', reference.model);
  switch (reference.kind) {
    case 'version':
      return (await versions.where('version', '=', reference.version).executeTakeFirst())?.version ?? null;
    case 'latest':
      return (await versions.orderBy(numbers, 'desc').limit(1).executeTakeFirst())?.version ?? null;
    case 'stage':
      return (await versions.where('stage', '=', reference.stage).orderBy(numbers, 'desc').limit(1).executeTakeFirst())?.version ?? null;
    case 'alias':
      return atMs === undefined
        ? ((await currentAliases(db, reference.model))[reference.alias] ?? null)
        : await holderAt(db, reference, atMs);
  }
}

/** A version's three numbers, for sorting. */
const numbers = sql`string_to_array(version, '.')::bigint[]`;

async function holderAt(db: Kysely<Database>, { model, alias }: { model: string; alias: Alias }, atMs: number): Promise<string | null> {
  const at = new Date(atMs);
  const row = await db
    .selectFrom('alias_history')
    .select('version')
    .where('model', '=', model)
    .where('alias', '=', alias)
    .where('valid_from', '<=', at)
    .where((where) => where.or([where('valid_to', 'is', null), where('valid_to', '>', at)]))
    .executeTakeFirst();
  return row?.version ?? null;
}
