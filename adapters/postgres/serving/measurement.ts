import { sql, type Kysely } from 'kysely';
import type { RolloutMeasurement } from '../../../activities/rollout-ports.js';
import { quantileRanks } from '../../../domain/statistics.js';
import type { Database } from '../database.js';

type Window = { readonly model: string; readonly version: string; readonly fromMs: number; readonly toMs: number; readonly shadow: boolean };

/** Live measurements from the captures of all gateways. Windows are model (event) time, half-open. */
export function createMeasurement(db: Kysely<Database>): RolloutMeasurement {
  return {
    async variant(window) {
      const { version } = window;
      // An answer without a prediction counts as an error, whatever it says; a failed request's time is a time too.
      const { requests, errors } = await within(db, window)
        .select([sql<number>`count(*)`.as('requests'), sql<number>`count(*) filter (where error is not null or predicted is null)`.as('errors')])
        .executeTakeFirstOrThrow();
      if (requests === 0) return { version, requests, errors, p50Ms: null, p95Ms: null, p99Ms: null, p95LowerMs: null, p95UpperMs: null };
      return { version, requests, errors, ...(await latencies(db, window, requests)) };
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

const within = (db: Kysely<Database>, { model, version, fromMs, toMs, shadow }: Window) =>
  db
    .selectFrom('captures')
    .where('model', '=', model)
    .where('version', '=', version)
    .where('shadow', '=', shadow)
    .where('event_time_ms', '>=', fromMs)
    .where('event_time_ms', '<', toMs);

/** Interpolated percentiles, and the order statistics that enclose the P95 with 95% confidence. */
async function latencies(db: Kysely<Database>, window: Window, requests: number) {
  const { lower, upper } = quantileRanks({ count: requests, quantile: 0.95, level: 0.95 });
  // percentile_disc(f) is the first value whose rank reaches f * n: half a rank less keeps rounding from choosing the next.
  const share = (rank: number | null) => (rank === null ? 0 : (rank - 0.5) / requests);
  const row = await within(db, window)
    .select([
      sql<number[]>`percentile_cont(array[0.5, 0.95, 0.99]) within group (order by latency_ms)`.as('quantiles'),
      sql<number[]>`percentile_disc(array[${share(lower)}, ${share(upper)}]::float8[]) within group (order by latency_ms)`.as('ends'),
    ])
    .executeTakeFirstOrThrow();
  const [p50Ms = null, p95Ms = null, p99Ms = null] = row.quantiles;
  const [lowerMs = null, upperMs = null] = row.ends;
  return { p50Ms, p95Ms, p99Ms, p95LowerMs: lower === null ? null : lowerMs, p95UpperMs: upper === null ? null : upperMs };
}
