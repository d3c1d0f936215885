import { sql, type Kysely } from 'kysely';
import type { RolloutMeasurement } from '../../../activities/rollout-ports.js';
import type { Database } from '../database.js';
import { capturesWithin } from './captured-latencies.js';
import { latencyFigures } from './latency-distribution.js';
import { mergedSketches } from './merged-sketches.js';

/**
 * Live measurements of all gateways. Windows are model (event) time, half-open. Counts and latencies come from the
 * gateways' sketches, which are whole also when captures were sampled down; where there are none, from captures.
 */
export function createMeasurement(db: Kysely<Database>): RolloutMeasurement {
  return {
    async variant({ model, version, fromMs, toMs, shadow }) {
      const window = { model, version, shadow, fromMs: Math.ceil(fromMs), toMs: Math.ceil(toMs) };
      const sketched = await mergedSketches(db, window);
      const captured = await capturesWithin(db, window, sketched.gaps);
      const latencies = [...sketched.latencies, ...captured.latencies].sort((a, b) => a.latencyMs - b.latencyMs);
      return {
        version,
        requests: sketched.requests + captured.requests,
        errors: sketched.errors + captured.errors,
        ...latencyFigures(latencies),
      };
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
        (select count(*) from captures where model = ${model} and version = ${version} and event_time_ms >= ${fromMs})
          + (select coalesce(sum(requests), 0)::bigint from latency_sketches
              where model = ${model} and version = ${version} and event_minute >= ${Math.floor(fromMs / 60_000)}) as captures,
        (select count(*) from labels where model = ${model} and event_time_ms >= ${labelsFromMs}) as labels`.execute(db);
      return rows[0] ?? { captures: 0, labels: 0 };
    },
  };
}
