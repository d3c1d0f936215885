import { aliasHolder, moveAlias } from '../aliases.js';
import type { DatabaseTransaction } from '../database.js';
import { moveStage } from '../stages.js';
import { openInvestigations } from './investigations.js';

type ChampionMove = {
  readonly model: string;
  /** Who is champion now; null: nobody. */
  readonly from: string | null;
  /** Who shall be; null: nobody. */
  readonly to: string | null;
  /** Version that a rollback goes back to from then on. */
  readonly previous: string | null;
  readonly by: string;
  readonly reason: string;
  readonly promotionId: string;
};

/** Moves the aliases champion and previous with the stages that go with them, in the caller's transaction. `Conflict` when `from` is not the champion. */
export async function moveChampion(trx: DatabaseTransaction, { model, from, to, previous, ...act }: ChampionMove): Promise<void> {
  await moveAlias(trx, { model, alias: 'champion', expected: from, to, ...act });
  await setAlias(trx, { model, alias: 'previous', to: previous, ...act });
  // One version is in Production: the old one leaves before the new one comes. Archived is a stage only; its files stay.
  if (from !== null) await moveStage(trx, { model, version: from, to: 'Archived' });
  if (to !== null) await moveStage(trx, { model, version: to, to: 'Production' });
}

/** Takes the alias challenger from this version, if it has it. */
export async function dropChallenger(
  trx: DatabaseTransaction,
  { model, version, ...act }: { model: string; version: string; by: string; reason: string; promotionId: string },
): Promise<void> {
  if ((await aliasHolder(trx, model, 'challenger')) === version)
    await moveAlias(trx, { model, alias: 'challenger', expected: version, to: null, ...act });
}

async function setAlias(
  trx: DatabaseTransaction,
  move: { model: string; alias: 'previous'; to: string | null; by: string; reason: string; promotionId: string },
): Promise<void> {
  await moveAlias(trx, { ...move, expected: await aliasHolder(trx, move.model, move.alias) });
}

/**
 * The version that was champion before this one was promoted, and to which one can go back from it: versions under
 * investigation are passed over. Null when there is none.
 */
export async function predecessor(trx: DatabaseTransaction, model: string, version: string): Promise<string | null> {
  const seen = new Set([version]);
  for (let current = version; ;) {
    const promotion = await trx
      .selectFrom('route_changes')
      .select('from_version')
      .where('model', '=', model)
      .where('kind', '=', 'promote')
      .where('to_version', '=', current)
      .orderBy('generation', 'desc')
      .limit(1)
      .executeTakeFirst();
    const before = promotion?.from_version ?? null;
    if (before === null || seen.has(before)) return null;
    const doubts = await openInvestigations(trx, { model, version: before });
    if (doubts.length === 0) return before;
    seen.add(before);
    current = before;
  }
}
