import { sql, type Kysely, type Selectable } from 'kysely';
import type { Route } from '../../../activities/ports.js';
import { PerennialError } from '../../../domain/errors.js';
import { json } from '../columns.js';
import type { Database, DatabaseTransaction } from '../database.js';
import type { RouteChangeKind, RouteTable } from './schema.js';

/** Channel on which gateways hear that a route changed; the payload is the model. Heard only if the transaction commits. */
export const routesChannel = 'perennial_routes';

export type RouteTarget = Pick<Route, 'variants' | 'shadow' | 'standby' | 'salt'>;

export type RouteChange = {
  readonly model: string;
  /** Generation that the caller has read; 0: there is no route yet. */
  readonly expected: number;
  readonly target: RouteTarget;
  readonly kind: RouteChangeKind;
  readonly promotionId: string;
  readonly stepIndex?: number;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly by: string;
  readonly reason: string;
};

/**
 * Puts everything that changes a model's traffic, champion or rollouts in one line, until the commit. Every such
 * transaction takes it first, so none meets another half-way and none deadlocks.
 */
export async function lockModel(trx: DatabaseTransaction, model: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`serving:${model}`}, 0))`.execute(trx);
}

/**
 * Changes a route by compare-and-set in the caller's transaction, keeps the change in the history, and tells the
 * gateways at the commit. Answers the new generation; `Conflict` when somebody else was faster.
 */
export async function changeRoute(trx: DatabaseTransaction, change: RouteChange): Promise<number> {
  const { model, expected, target } = change;
  const generation = expected + 1;
  const columns = { variants: json(target.variants), shadow: target.shadow, standby: json(target.standby), salt: target.salt };
  const now = sql<Date>`clock_timestamp()`;
  const written =
    expected === 0
      ? await trx
          .insertInto('routes')
          .values({ model, generation, ...columns })
          .onConflict((conflict) => conflict.column('model').doNothing())
          .returning('generation')
          .executeTakeFirst()
      : await trx
          .updateTable('routes')
          .set({ generation, ...columns, changed_at: now })
          .where('model', '=', model)
          .where('generation', '=', expected)
          .returning('generation')
          .executeTakeFirst();
  if (written === undefined) {
    throw new PerennialError(
      'Conflict',
      `The route of ${model} is no longer at generation ${expected}: somebody changed it meanwhile. Read it again and repeat.`,
      { details: { model, expected } },
    );
  }
  await trx
    .insertInto('route_changes')
    .values({
      model,
      generation,
      ...columns,
      kind: change.kind,
      promotion_id: change.promotionId,
      step_index: change.stepIndex ?? null,
      from_version: change.from ?? null,
      to_version: change.to ?? null,
      changed_by: change.by,
      reason: change.reason,
    })
    .execute();
  await sql`select pg_notify(${routesChannel}, ${model})`.execute(trx);
  return generation;
}

/** The route of a model, or null when nothing was ever routed. */
export async function readRoute(db: Kysely<Database>, model: string): Promise<Route | null> {
  const row = await db.selectFrom('routes').selectAll().where('model', '=', model).executeTakeFirst();
  return row === undefined ? null : toRoute(row);
}

/** An earlier change of the same effect, for a call that is repeated. */
export async function earlierChange(
  db: Kysely<Database>,
  effect: { promotionId: string; kind: RouteChangeKind; stepIndex?: number },
): Promise<{ generation: number; from: string | null; to: string | null } | null> {
  const row = await db
    .selectFrom('route_changes')
    .select(['generation', 'from_version', 'to_version'])
    .where('promotion_id', '=', effect.promotionId)
    .where('kind', '=', effect.kind)
    .where('step_index', effect.stepIndex === undefined ? 'is' : '=', effect.stepIndex ?? null)
    .executeTakeFirst();
  return row === undefined ? null : { generation: row.generation, from: row.from_version, to: row.to_version };
}

export function toRoute(row: Selectable<RouteTable>): Route {
  const { model, generation, variants, shadow, standby, salt } = row;
  return { model, generation, variants, shadow, standby, salt };
}
