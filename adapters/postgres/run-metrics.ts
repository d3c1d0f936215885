import { type Kysely, sql } from 'kysely';
import type { RunMetrics } from '../../activities/training-ports.js';
import type { Database } from './database.js';

/** Curves of tracked metrics. The last value of a (name, step) stays; what is no finite number is kept as null. */
export function createRunMetrics(db: Kysely<Database>): RunMetrics {
  return {
    async log({ model, run, metrics }) {
      // One statement may not write a row twice, and a trainer that resumed repeats its last steps.
      const newest = new Map(metrics.map((metric) => [`${metric.step} ${metric.name}`, metric]));
      if (newest.size === 0) return;
      await db
        .insertInto('run_metrics')
        .values(
          [...newest.values()].map(({ name, step, value, atMs }) => ({
            model,
            run,
            name,
            step,
            value: Number.isFinite(value) ? value : null,
            at: new Date(atMs),
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(['model', 'run', 'name', 'step']).doUpdateSet({ value: sql`excluded.value`, at: sql`excluded.at` }),
        )
        .execute();
    },
  };
}
