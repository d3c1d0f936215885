import type { Kysely } from 'kysely';
import type { StepCache } from '../../activities/ports.js';
import { json } from './columns.js';
import type { Database } from './database.js';

/** Answers of unchanged steps by their key. The newest answer of a key is the one that is found. */
export function createStepCache(db: Kysely<Database>): StepCache {
  return {
    async find(key) {
      const row = await db.selectFrom('step_cache').select(['output', 'run']).where('key', '=', key).executeTakeFirst();
      return row ?? null;
    },

    async store({ key, step, model, run, output, inputs }) {
      const row = { step, model, run, output: json(output), inputs: json(inputs) };
      await db
        .insertInto('step_cache')
        .values({ key, ...row })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ ...row, stored_at: new Date() }))
        .execute();
    },
  };
}
