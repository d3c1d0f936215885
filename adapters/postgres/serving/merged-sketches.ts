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

/** Longest span of a sketch, in minutes: one that begins so much before a window may reach into it. */
const longestSpan = 1_440;

/** The span of event time that all sketches lie in which are counted together, in minutes since the epoch. */
type Cell = { readonly start: number; readonly span: number };

/**
 * The sketches of all gateways over a window, added up in Postgres. A minute counts when all that was measured in it lies
 * within the window, so that the minute in which a step began is not taken for the step's. Where minutes were merged into an
 * hour or a day, that is what counts as a whole or not at all, with what came to it later.
 */
export async function mergedSketches(db: Kysely<Database>, window: LatencyWindow): Promise<MergedSketches> {
  const { model, version, shadow, fromMs, toMs } = window;
  const firstMinute = Math.floor(fromMs / minuteMs);
  const lastMinute = Math.floor((toMs - 1) / minuteMs);
  const ofVersion = sql`model = ${model} and version = ${version} and shadow = ${shadow}`;
  // One statement, so that cells and bins are of one moment.
  const { rows } = await sql<{ start: number | null; span: number | null; bin: number | null; count: number; errors: number }>`
    with reach as materialized (
      select coalesce(min(event_minute), ${firstMinute}) as first, coalesce(max(event_minute + span_minutes) - 1, ${lastMinute}) as last
      from latency_sketches
      where ${ofVersion} and span_minutes > 1
        and event_minute > ${firstMinute - longestSpan} and event_minute <= ${lastMinute} and event_minute + span_minutes > ${firstMinute}
    ), near as materialized (
      select event_minute, span_minutes, first_ms, last_ms, requests, errors
      from latency_sketches
      where ${ofVersion} and event_minute >= least(${firstMinute}, (select first from reach))
        and event_minute <= greatest(${lastMinute}, (select last from reach))
    ), merged as (
      select distinct event_minute as start, span_minutes as span from near where span_minutes > 1
    ), placed as materialized (
      select near.event_minute, near.span_minutes, first_ms, last_ms, requests, errors,
        coalesce(days.start, hours.start, near.event_minute) as start, coalesce(days.span, hours.span, near.span_minutes) as span
      from near
      left join merged hours on hours.span = 60 and hours.start = floor(near.event_minute / 60.0::float8) * 60
      left join merged days on days.span = 1440 and days.start = floor(near.event_minute / 1440.0::float8) * 1440
    ), cells as materialized (
      select start, span, sum(requests)::float8 as requests, sum(errors)::float8 as errors
      from placed
      group by start, span
      having min(first_ms) >= ${fromMs} and max(last_ms) < ${toMs}
    ), counted as (
      select distinct event_minute, span_minutes from placed join cells using (start, span)
    )
    select start, span, null::integer as bin, requests as count, errors from cells
    union all
    select null, null, bin, sum(count)::float8, 0
    from latency_sketches join counted using (event_minute, span_minutes) cross join lateral unnest(bins, counts) as b (bin, count)
    where ${ofVersion}
    group by bin
    order by start, bin`.execute(db);
  const cells: Cell[] = [];
  const latencies: LatencyCounts[number][] = [];
  let requests = 0;
  let errors = 0;
  for (const row of rows) {
    if (row.start !== null && row.span !== null) {
      cells.push({ start: row.start, span: row.span });
      requests += row.count;
      errors += row.errors;
    } else if (row.bin !== null) {
      const { lowerMs, upperMs } = binBoundsMs(row.bin);
      latencies.push({ latencyMs: binLatencyMs(row.bin), count: row.count, lowerMs, upperMs });
    }
  }
  return { requests, errors, latencies, gaps: gapsBetween(cells, window) };
}

/** What is left of a window beside these cells, which ascend and do not overlap. */
function gapsBetween(cells: readonly Cell[], { fromMs, toMs }: LatencyWindow): { fromMs: number; toMs: number }[] {
  const gaps: { fromMs: number; toMs: number }[] = [];
  let from = fromMs;
  for (const { start, span } of cells) {
    if (start * minuteMs > from) gaps.push({ fromMs: from, toMs: start * minuteMs });
    from = (start + span) * minuteMs;
  }
  if (from < toMs) gaps.push({ fromMs: from, toMs });
  return gaps;
}
