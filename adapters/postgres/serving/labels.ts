import { sql, type Kysely } from 'kysely';
import type { CaptureStore } from '../../../activities/ports.js';
import { inTransaction, type Database, type DatabaseTransaction } from '../database.js';
import { storableText } from '../storable.js';
import { upsertOutcomes } from './outcome-store.js';

type Label = Parameters<CaptureStore['label']>[1][number];
type LabelAnswer = Awaited<ReturnType<CaptureStore['label']>>;
type Question = { readonly subject: string; readonly eventTimeMs: number };
type Resolved = { readonly index: number; readonly subject: string; readonly eventTimeMs: number; readonly value: number };

/**
 * Stores labels by prediction id or by subject; each becomes an outcome at its event time too. The first label of a
 * subject stays: an equal repeat counts as stored, a differing one is refused with the reason, as is a label whose
 * question is not known. A batch is stored whole but for what it refuses.
 */
export async function storeLabels(db: Kysely<Database>, model: string, labels: readonly Label[]): Promise<LabelAnswer> {
  if (labels.length === 0) return { stored: 0, refused: [] };
  return await inTransaction(db, async (trx) => {
    const refused: { index: number; reason: string }[] = [];
    const resolved = await resolve(trx, { model, labels, refused });
    refused.push(...(await insertLabels(trx, model, resolved)));
    return { stored: labels.length - refused.length, refused: refused.sort((a, b) => a.index - b.index) };
  });
}

async function resolve(
  trx: DatabaseTransaction,
  input: { model: string; labels: readonly Label[]; refused: { index: number; reason: string }[] },
): Promise<Resolved[]> {
  const { model, labels, refused } = input;
  const byId = await questionsById(
    trx,
    model,
    labels.flatMap((label) => (label.id === undefined ? [] : [storableText(label.id)])),
  );
  const timeless = labels.flatMap((label) =>
    label.id === undefined && label.subject !== undefined && label.eventTimeMs === undefined ? [storableText(label.subject)] : [],
  );
  const times = await timesOfSubjects(trx, model, timeless);
  return labels.flatMap((label, index) => {
    const question = questionOf(label, byId, times);
    if (!Number.isFinite(label.value)) refused.push({ index, reason: `the value is ${label.value}; a label is a finite number` });
    else if (typeof question === 'string') refused.push({ index, reason: question });
    else return [{ index, ...question, value: label.value }];
    return [];
  });
}

function questionOf(label: Label, byId: ReadonlyMap<string, Question>, times: ReadonlyMap<string, number>): Question | string {
  if (label.id !== undefined) {
    const question = byId.get(storableText(label.id));
    if (question === undefined)
      return `no prediction with id ${label.id} is stored; send the label again when it is, or label by subject and event_time_ms`;
    if (label.subject !== undefined && storableText(label.subject) !== question.subject)
      return `prediction ${label.id} asked for ${question.subject}, the label says ${label.subject}`;
    return question;
  }
  if (label.subject === undefined) return 'the label names neither a prediction id nor a subject';
  const subject = storableText(label.subject);
  const eventTimeMs = label.eventTimeMs ?? times.get(subject);
  if (eventTimeMs === undefined) return `no prediction for ${label.subject} is stored; give event_time_ms to label it all the same`;
  if (!Number.isSafeInteger(eventTimeMs)) return `event_time_ms is ${eventTimeMs}; it must be whole epoch milliseconds`;
  return { subject, eventTimeMs };
}

async function questionsById(trx: DatabaseTransaction, model: string, ids: readonly string[]): Promise<Map<string, Question>> {
  if (ids.length === 0) return new Map();
  const rows = await trx
    .selectFrom('captures')
    .select(['id', 'subject', 'event_time_ms'])
    .distinctOn('id')
    .where('id', '=', sql<string>`any(${ids}::text[])`)
    .where('model', '=', model)
    .orderBy('id')
    .execute();
  return new Map(rows.map((row) => [row.id, { subject: row.subject, eventTimeMs: row.event_time_ms }]));
}

async function timesOfSubjects(trx: DatabaseTransaction, model: string, subjects: readonly string[]): Promise<Map<string, number>> {
  if (subjects.length === 0) return new Map();
  const rows = await trx
    .selectFrom('captures')
    .select((eb) => ['subject', eb.fn.min('event_time_ms').as('event_time_ms')])
    .where('model', '=', model)
    .where('subject', '=', sql<string>`any(${subjects}::text[])`)
    .groupBy('subject')
    .execute();
  return new Map(rows.map((row) => [row.subject, row.event_time_ms]));
}

/** Inserts the first label of each subject, and answers those that differ from what is then stored. */
async function insertLabels(
  trx: DatabaseTransaction,
  model: string,
  labels: readonly Resolved[],
): Promise<{ index: number; reason: string }[]> {
  if (labels.length === 0) return [];
  const firsts = new Map<string, Resolved>();
  for (const label of labels) if (!firsts.has(label.subject)) firsts.set(label.subject, label);
  // Ordered, so that two batches over the same subjects wait for each other instead of locking crosswise.
  const ordered = [...firsts.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1));
  const { rows: inserted } = await sql<{ subject: string }>`insert into labels (model, subject, event_time_ms, value)
    select ${model}, * from unnest(${ordered.map((l) => l.subject)}::text[], ${ordered.map((l) => l.eventTimeMs)}::bigint[], ${ordered.map((l) => l.value)}::float8[])
    on conflict (model, subject) do nothing returning subject`.execute(trx);
  const fresh = new Set(inserted.map((row) => row.subject));
  const outcomes = ordered.filter((label) => fresh.has(label.subject)).map((label) => ({ timeMs: label.eventTimeMs, value: label.value }));
  if (outcomes.length > 0) await upsertOutcomes(trx, model, outcomes);
  const stored = await trx
    .selectFrom('labels')
    .select(['subject', 'value'])
    .where('model', '=', model)
    .where('subject', '=', sql<string>`any(${ordered.map((label) => label.subject)}::text[])`)
    .execute();
  const values = new Map(stored.map((row) => [row.subject, row.value]));
  return labels.flatMap(({ index, subject, value }) => {
    const first = values.get(subject);
    return first === undefined || first === value
      ? []
      : [{ index, reason: `${subject} is labelled ${first} already and the first label stays; this one says ${value}` }];
  });
}
