import { sql, type Kysely } from 'kysely';
import type { CaptureUpkeep } from '../../../activities/upkeep-ports.js';
import type { Database } from '../database.js';

/** Rows of one statement: some tens of milliseconds, and no lock that a gateway would wait for. */
const rowsAtOnce = 5_000;

/** Forgets old captures and labels. Rows that are written meanwhile are newer and not touched. */
export function createCaptureUpkeep(db: Kysely<Database>): CaptureUpkeep {
  return {
    async models() {
      // By skips from name to name in the index, whatever the number of rows.
      const { rows } = await sql<{ model: string }>`
        with recursive captured as (
          (select model from captures order by model limit 1)
          union all
          select (select model from captures where model > captured.model order by model limit 1) from captured where captured.model is not null
        ), labelled as (
          (select model from labels order by model limit 1)
          union all
          select (select model from labels where model > labelled.model order by model limit 1) from labelled where labelled.model is not null
        )
        select model from captured where model is not null union select model from labelled where model is not null order by model`.execute(
        db,
      );
      return rows.map(({ model }) => model);
    },

    async neededFromMs(model) {
      const running = await db
        .selectFrom('rollouts')
        .select((eb) => eb.fn.min('started_at').as('started_at'))
        .where('model', '=', model)
        .where('status', '=', 'running')
        .executeTakeFirst();
      return (running?.started_at as Date | null | undefined)?.getTime() ?? null;
    },

    async forgetCaptures(model, beforeMs) {
      const { numAffectedRows } = await sql`
        delete from captures where ctid = any(array(
          select ctid from captures where model = ${model} and at_ms < ${Math.floor(beforeMs)} order by at_ms limit ${rowsAtOnce}
        ))`.execute(db);
      return Number(numAffectedRows ?? 0);
    },

    async forgetLabels(model, beforeMs) {
      const { numAffectedRows } = await sql`
        delete from labels where ctid = any(array(
          select label.ctid from labels label
          where label.model = ${model} and label.labelled_at < ${new Date(beforeMs)}
            and not exists (select from captures where captures.model = label.model and captures.subject = label.subject)
          order by label.labelled_at limit ${rowsAtOnce}
        ))`.execute(db);
      return Number(numAffectedRows ?? 0);
    },
  };
}
