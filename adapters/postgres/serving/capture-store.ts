import { sql, type Kysely } from 'kysely';
import type { Capture, CaptureStore } from '../../../activities/ports.js';
import type { Database } from '../database.js';
import { storable, storableText } from '../storable.js';
import { storeLabels } from './labels.js';

/** Rows of one statement: large enough to spare round trips, small enough to stay under a few megabytes. */
const rowsPerInsert = 500;

/** Captures and labels in Postgres. Writing the same captures again stores nothing new, so a caller may retry a batch. */
export function createCaptureStore(db: Kysely<Database>): CaptureStore {
  return {
    async write(captures) {
      for (let from = 0; from < captures.length; from += rowsPerInsert) await insert(db, captures.slice(from, from + rowsPerInsert));
    },
    label: (model, labels) => storeLabels(db, model, labels),
  };
}

async function insert(db: Kysely<Database>, captures: readonly Capture[]): Promise<void> {
  const column = <T>(of: (capture: Capture) => T): T[] => captures.map(of);
  // One array a column: fourteen parameters however many rows, and a plan that Postgres needs to make once. The inputs are
  // lines of one text: as an array each of their quotes would be escaped and unescaped, which costs more than all the rest.
  await sql`insert into captures
      (id, model, version, shadow, generation, key, subject, event_time_ms, at_ms, latency_ms, predicted, error, cached, inputs)
    select t.id, t.model, t.version, t.shadow, t.generation, t.key, t.subject, t.event_time_ms, t.at_ms, t.latency_ms, t.predicted,
      t.error, t.cached, t.inputs::jsonb
    from rows from (unnest(
      ${column((c) => storableText(c.id))}::text[], ${column((c) => c.model)}::text[], ${column((c) => c.version)}::text[],
      ${column((c) => c.shadow)}::boolean[], ${column((c) => c.generation)}::bigint[],
      ${column((c) => (c.key === null ? null : storableText(c.key)))}::text[], ${column((c) => storableText(c.subject))}::text[],
      ${column((c) => Math.floor(c.eventTimeMs))}::bigint[], ${column((c) => Math.floor(c.atMs))}::bigint[],
      ${column((c) => c.latencyMs)}::float8[], ${column((c) => c.predicted)}::float8[],
      ${column((c) => c.error)}::text[], ${column((c) => c.cached === true)}::boolean[]), string_to_table(${column((c) => storableJson(c.inputs)).join('\n')}, E'\\n'))
      as t(id, model, version, shadow, generation, key, subject, event_time_ms, at_ms, latency_ms, predicted, error, cached, inputs)
    on conflict (model, id, version, shadow) do nothing`.execute(db);
}

/** The inputs as `jsonb` text. Only a text that JSON escapes can hold what Postgres does not keep; nearly none has any. */
function storableJson(inputs: Capture['inputs']): string {
  const text = JSON.stringify(inputs);
  return text.includes('\\u') ? JSON.stringify(storable(inputs)) : text;
}
