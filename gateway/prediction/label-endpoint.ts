import type { CaptureStore } from '../../activities/ports.js';
import type { ModelTable } from '../routing/routing-table.js';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { Redactors } from '../watching/redactors.js';
import { parseJsonBody } from '../http/json-body.js';
import { isObject, kindOf } from '../oip/oip-request.js';
import type { OutcomeCache } from './outcome-cache.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid } from '../http/request-error.js';

type Label = { id?: string; subject?: string; eventTimeMs?: number; value: number };

export type LabelDeps = {
  readonly store: CaptureStore;
  readonly captures: CaptureBuffer;
  readonly redactors: Redactors;
  readonly outcomes: OutcomeCache;
  readonly maxJsonDepth: number;
  readonly flushLimitMs: number;
};

const maxLabels = 10_000;

/**
 * `POST /v2/models/{m}/labels`: what really happened, by prediction id or by subject. Answers the outcome of each label;
 * the outcomes are there for the features of the next request.
 */
export async function postLabels(deps: LabelDeps, call: { table: ModelTable; body: Buffer }): Promise<Reply> {
  const { model } = call.table.route;
  const labels = redacted(readLabels(parseJsonBody(call.body, deps.maxJsonDepth)), call.table, deps.redactors);
  // A label by id finds its prediction only once that is stored.
  await deps.captures.flush(deps.flushLimitMs);
  const { stored, refused } = await deps.store.label(model, labels);
  await deps.outcomes.refresh(model);
  const reasons = new Map(refused.map(({ index, reason }) => [index, reason]));
  const outcomes = labels.map((_, index) =>
    reasons.has(index) ? { outcome: 'refused', reason: reasons.get(index) } : { outcome: 'stored' },
  );
  return json(200, { stored, refused, labels: outcomes });
}

/** Labels name subjects as callers know them; captures may have them hashed. */
function redacted(labels: Label[], table: ModelTable, redactors: Redactors): Label[] {
  const redactor = redactors.of(table);
  const fields = (table.champion ?? [...table.versions.values()][0])?.spec.subject;
  if (redactor === null || fields === undefined) return labels;
  return labels.map((label, index) => {
    if (label.subject === undefined) return label;
    const subject = redactor.subject(label.subject, fields);
    if (subject === null)
      throw invalid(
        `labels[${index}].subject does not have ${fields.length} parts (${fields.join('|')}), or one of them holds a "|": label it by "id"`,
      );
    return { ...label, subject };
  });
}

function readLabels(body: unknown): Label[] {
  if (!isObject(body) || !Array.isArray(body['labels']))
    throw invalid('a JSON object {"labels":[{"id" or "subject","value"}]} is expected');
  const { labels } = body as { labels: unknown[] };
  if (labels.length === 0) throw invalid('labels is empty: at least one label is expected');
  if (labels.length > maxLabels) throw invalid(`labels has ${labels.length} entries: at most ${maxLabels} are taken at once`);
  return labels.map(readLabel);
}

function readLabel(label: unknown, index: number): Label {
  const place = `labels[${index}]`;
  if (!isObject(label)) throw invalid(`${place} is ${kindOf(label)}: an object with "id" or "subject" and "value" is expected`);
  const { id, subject, value, event_time_ms: eventTimeMs } = label;
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw invalid(`${place}.value is ${kindOf(value)}: a finite number is expected`);
  if ((id === undefined) === (subject === undefined)) throw invalid(`${place} needs either "id" or "subject", and not both`);
  const named = id ?? subject;
  // Subjects such as an epoch time come as numbers just as well.
  if (typeof named !== 'string' && !(id === undefined && typeof named === 'number'))
    throw invalid(`${place}.${id === undefined ? 'subject' : 'id'} is ${kindOf(named)}: text is expected`);
  if (eventTimeMs !== undefined && !Number.isSafeInteger(eventTimeMs))
    throw invalid(`${place}.event_time_ms is ${kindOf(eventTimeMs)}: epoch milliseconds are expected`);
  return {
    ...(id === undefined ? { subject: String(named) } : { id: named as string }),
    ...(eventTimeMs === undefined ? {} : { eventTimeMs: eventTimeMs as number }),
    value,
  };
}
