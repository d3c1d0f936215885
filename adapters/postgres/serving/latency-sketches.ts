import { sql, type Kysely } from 'kysely';
import type { LatencyRow, LatencyStore } from '../../../activities/latency-ports.js';
import type { Database } from '../database.js';

/** Rows of one statement. */
const rowsPerInsert = 500;

/** The gateways' latency sketches in Postgres. */
export function createLatencyStore(db: Kysely<Database>): LatencyStore {
  return {
    async write(rows) {
      for (let from = 0; from < rows.length; from += rowsPerInsert) await upsert(db, rows.slice(from, from + rowsPerInsert));
    },
  };
}

async function upsert(db: Kysely<Database>, rows: readonly LatencyRow[]): Promise<void> {
  const column = <T>(of: (row: LatencyRow) => T): T[] => rows.map(of);
  const arrayText = (numbers: readonly number[]): string => `{${numbers.join(',')}}`;
  // A state that comes late, after a newer one of its row, changes nothing.
  await sql`insert into latency_sketches
      (gateway, model, version, shadow, event_minute, opened_ms, first_ms, last_ms, requests, errors, bins, counts)
    select gateway, model, version, shadow, event_minute, opened_ms, first_ms, last_ms, requests, errors, bins::integer[], counts::bigint[]
    from unnest(
      ${column((r) => r.gateway)}::text[], ${column((r) => r.model)}::text[], ${column((r) => r.version)}::text[],
      ${column((r) => r.shadow)}::boolean[], ${column((r) => r.eventMinute)}::bigint[], ${column((r) => r.openedMs)}::bigint[],
      ${column((r) => r.firstMs)}::bigint[], ${column((r) => r.lastMs)}::bigint[], ${column((r) => r.requests)}::bigint[],
      ${column((r) => r.errors)}::bigint[], ${column((r) => arrayText(r.bins))}::text[], ${column((r) => arrayText(r.counts))}::text[]
    ) as r (gateway, model, version, shadow, event_minute, opened_ms, first_ms, last_ms, requests, errors, bins, counts)
    on conflict (model, version, shadow, event_minute, gateway, opened_ms) do update set
      first_ms = excluded.first_ms, last_ms = excluded.last_ms, requests = excluded.requests, errors = excluded.errors,
      bins = excluded.bins, counts = excluded.counts
    where excluded.requests > latency_sketches.requests`.execute(db);
}
