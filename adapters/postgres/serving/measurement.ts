import { sql, type Kysely } from 'kysely';
import type { RolloutMeasurement } from '../../../activities/rollout-ports.js';
import type { Database } from '../database.js';
import { latencyFigures } from './latency-distribution.js';

/** Live measurements from the captures of all gateways. Windows are model (event) time, half-open. */
export function createMeasurement(db: Kysely<Database>): RolloutMeasurement {
  return {
    async variant({ model, version, fromMs, toMs, shadow }) {
      // One pass without a sort, whatever the number of captures: latencies are counted by the microsecond.
      // An answer without a prediction counts as an error, whatever it says; a failed request's time is a time too.
      const rows = await db
        .selectFrom('captures')
        .select([
          sql<number>`round(latency_ms * 1000)`.as('micros'),
          sql<number>`count(*)`.as('requests'),
          sql<number>`count(*) filter (where error is not null or predicted is null)`.as('errors'),
        ])
        .where('model', '=', model)
        .where('version', '=', version)
        .where('shadow', '=', shadow)
        .where('event_time_ms', '>=', fromMs)
        .where('event_time_ms', '<', toMs)
        .groupBy('micros')
        .execute();
      const latencies = rows
        .map(({ micros, requests }) => ({ latencyMs: micros / 1000, count: requests }))
        .sort((a, b) => a.latencyMs - b.latencyMs);
      const sum = (of: 'requests' | 'errors') => rows.reduce((total, row) => total + row[of], 0);
      return { version, requests: sum('requests'), errors: sum('errors'), ...latencyFigures(latencies) };
    },

    async pairs({ model, champion, challenger, fromMs, toMs }) {
      // A prediction that is NaN makes its mean NaN: the judge must see it, not a mean of the others.
      const { rows } = await sql<{ subject: string; actual: number; champion: number; challenger: number }>`
        select subject, label.value as actual, answers.champion, answers.challenger
        from (
          select subject,
            avg(predicted) filter (where version = ${champion}) as champion,
            avg(predicted) filter (where version = ${challenger}) as challenger
          from captures
          where model = ${model} and version in (${champion}, ${challenger}) and error is null and predicted is not null
            and event_time_ms >= ${fromMs} and event_time_ms < ${toMs}
          group by subject
        ) answers join labels label using (subject)
        where label.model = ${model} and answers.champion is not null and answers.challenger is not null
        order by label.event_time_ms, subject`.execute(db);
      return rows;
    },

    async counts({ model, version, fromMs, labelsFromMs }) {
      const { rows } = await sql<{ captures: number; labels: number }>`select
        (select count(*) from captures where model = ${model} and version = ${version} and event_time_ms >= ${fromMs}) as captures,
        (select count(*) from labels where model = ${model} and event_time_ms >= ${labelsFromMs}) as labels`.execute(db);
      return rows[0] ?? { captures: 0, labels: 0 };
    },
  };
}
