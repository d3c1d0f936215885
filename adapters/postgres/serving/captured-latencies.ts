import { sql, type Kysely } from 'kysely';
import type { Database } from '../database.js';
import type { LatencyCounts } from './latency-distribution.js';
import type { LatencyWindow, MergedSketches } from './merged-sketches.js';

/** What the captures tell about the given parts of event time. */
export async function capturesWithin(
  db: Kysely<Database>,
  { model, version, shadow }: LatencyWindow,
  parts: MergedSketches['gaps'],
): Promise<{ requests: number; errors: number; latencies: LatencyCounts }> {
  if (parts.length === 0) return { requests: 0, errors: 0, latencies: [] };
  // One pass without a sort, whatever the number of captures: latencies are counted by the microsecond.
  // An answer without a prediction counts as an error, whatever it says; a failed request's time is a time too. One that was
  // given before says nothing of its version's speed.
  const { rows } = await sql<{ micros: number; requests: number; errors: number }>`
    select round(latency_ms * 1000) as micros, count(*) as requests,
      count(*) filter (where error is not null or predicted is null) as errors
    from unnest(${parts.map((part) => part.fromMs)}::bigint[], ${parts.map((part) => part.toMs)}::bigint[]) as part (from_ms, to_ms)
    join captures on event_time_ms >= part.from_ms and event_time_ms < part.to_ms
    where model = ${model} and version = ${version} and shadow = ${shadow} and not cached
    group by micros`.execute(db);
  const sum = (of: 'requests' | 'errors'): number => rows.reduce((total, row) => total + row[of], 0);
  const latencies = rows.map(({ micros, requests }) => ({ latencyMs: micros / 1000, count: requests }));
  return { requests: sum('requests'), errors: sum('errors'), latencies };
}
