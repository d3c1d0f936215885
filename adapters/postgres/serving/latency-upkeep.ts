import { sql, type Kysely } from 'kysely';
import type { LatencyUpkeep } from '../../../activities/upkeep-ports.js';
import type { Database } from '../database.js';

/** Sketches that a portion begins with; with what lies in the same spans it is some tenths of a second of work. */
const mergedAtOnce = 300;
const forgottenAtOnce = 5_000;
const spans = { hour: { from: 1, to: 60 }, day: { from: 60, to: 1_440 } } as const;

/** Merges the gateways' latency sketches as they age. Adding bins loses nothing: a quantile stays within the sketch's error. */
export function createLatencyUpkeep(db: Kysely<Database>): LatencyUpkeep {
  return {
    async rollUp({ into, openedBeforeMs }) {
      const { from, to } = spans[into];
      // What was merged before is taken up again with what came later, so that there is one sketch a span. Its place in the
      // table is that of the newest row in it, by which it is forgotten.
      const { rows } = await sql<{ merged: number; made: number }>`
        with old as (
          select model, version, shadow, event_minute
          from latency_sketches
          where span_minutes = ${from} and opened_ms < ${openedBeforeMs}
            and model not in (select model from rollouts where status = 'running')
          order by opened_ms
          limit ${mergedAtOnce}
        ), cells as (
          select distinct model, version, shadow, floor(event_minute / ${to}::float8)::bigint * ${to} as start from old
        ), taken as (
          delete from latency_sketches sketch using cells
          where sketch.model = cells.model and sketch.version = cells.version and sketch.shadow = cells.shadow
            and event_minute >= start and event_minute < start + ${to}
            and ((span_minutes = ${from} and opened_ms < ${openedBeforeMs}) or span_minutes = ${to})
          returning sketch.*, start
        ), summed as (
          select model, version, shadow, start, max(opened_ms) as opened_ms, min(first_ms) as first_ms, max(last_ms) as last_ms,
            sum(requests)::bigint as requests, sum(errors)::bigint as errors, count(*) filter (where span_minutes = ${from}) as merged
          from taken
          group by model, version, shadow, start
        ), binned as (
          select model, version, shadow, start, array_agg(bin order by bin) as bins, array_agg(count order by bin) as counts
          from (
            select model, version, shadow, start, bin, sum(count)::bigint as count
            from taken cross join lateral unnest(bins, counts) as b (bin, count)
            group by model, version, shadow, start, bin
          ) each_bin
          group by model, version, shadow, start
        ), made as (
          insert into latency_sketches
            (model, version, shadow, event_minute, span_minutes, gateway, opened_ms, first_ms, last_ms, requests, errors, bins, counts)
          select model, version, shadow, start, ${to}, ${`merged/${to}`}, opened_ms, first_ms, last_ms, requests, errors,
            coalesce(bins, '{}'), coalesce(counts, '{}')
          from summed left join binned using (model, version, shadow, start)
        )
        select coalesce(sum(merged), 0)::float8 as merged, count(*) as made from summed`.execute(db);
      return rows[0] ?? { merged: 0, made: 0 };
    },

    async forgetBefore(openedMs) {
      const { numAffectedRows } = await sql`
        delete from latency_sketches where ctid = any(array(
          select ctid from latency_sketches where span_minutes in (1, 60, 1440) and opened_ms < ${openedMs} limit ${forgottenAtOnce}
        ))`.execute(db);
      return Number(numAffectedRows ?? 0);
    },
  };
}
