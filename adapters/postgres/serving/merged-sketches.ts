import { sql, type Kysely } from 'kysely';
import { binBoundsMs, binLatencyMs } from '../../../domain/latency-sketch.js';
import type { Database } from '../database.js';
import type { LatencyCounts } from './latency-distribution.js';

const minuteMs = 60_000;

export type LatencyWindow = {
  readonly model: string;
  readonly version: string;
  readonly shadow: boolean;
  /** Event time, half-open. */
  readonly fromMs: number;
  readonly toMs: number;
};

export type MergedSketches = {
  readonly requests: number;
  readonly errors: number;
  readonly latencies: LatencyCounts;
  /** The parts of the window that no sketch lies wholly in, half-open: what happened there is known from captures alone. */
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number }[];
};

/**
 * The sketches of all gateways over a window, added up in Postgres. A minute counts when all that was measured in it lies
 * within the window, so that the minute in which a step began is not taken for the step's.
 */
export async function mergedSketches(db: Kysely<Database>, window: LatencyWindow): Promise<MergedSketches> {
  const { model, version, shadow, fromMs, toMs } = window;
  // One statement, so that minutes and bins are of one moment.
  const { rows } = await sql<{ minute: number | null; bin: number | null; count: number; errors: number }>`
    with minutes as materialized (
      select event_minute, sum(requests)::float8 as requests, sum(errors)::float8 as errors
      from latency_sketches
      where model = ${model} and version = ${version} and shadow = ${shadow}
        and event_minute >= ${Math.floor(fromMs / minuteMs)} and event_minute <= ${Math.floor((toMs - 1) / minuteMs)}
      group by event_minute
      having min(first_ms) >= ${fromMs} and max(last_ms) < ${toMs}
    )
    select event_minute as minute, null::integer as bin, requests as count, errors from minutes
    union all
    select null, bin, sum(count)::float8, 0
    from latency_sketches join minutes using (event_minute) cross join lateral unnest(bins, counts) as b (bin, count)
    where model = ${model} and version = ${version} and shadow = ${shadow}
    group by bin
    order by minute, bin`.execute(db);
  const minutes: number[] = [];
  const latencies: LatencyCounts[number][] = [];
  let requests = 0;
  let errors = 0;
  for (const row of rows) {
    if (row.minute !== null) {
      minutes.push(row.minute);
      requests += row.count;
      errors += row.errors;
    } else if (row.bin !== null) {
      const { lowerMs, upperMs } = binBoundsMs(row.bin);
      latencies.push({ latencyMs: binLatencyMs(row.bin), count: row.count, lowerMs, upperMs });
    }
  }
  return { requests, errors, latencies, gaps: gapsBetween(minutes, window) };
}

/** What is left of a window beside these minutes, which ascend. */
function gapsBetween(minutes: readonly number[], { fromMs, toMs }: LatencyWindow): { fromMs: number; toMs: number }[] {
  const gaps: { fromMs: number; toMs: number }[] = [];
  let from = fromMs;
  for (const minute of minutes) {
    if (minute * minuteMs > from) gaps.push({ fromMs: from, toMs: minute * minuteMs });
    from = (minute + 1) * minuteMs;
  }
  if (from < toMs) gaps.push({ fromMs: from, toMs });
  return gaps;
}
