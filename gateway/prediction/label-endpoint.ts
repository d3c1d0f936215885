import type { CaptureStore } from '../../activities/ports.js';
import type { ModelTable } from '../routing/routing-table.js';
import type { CaptureBuffer } from '../watching/capture-buffer.js';
import type { Redactors } from '../watching/redactors.js';
import { parseJsonBody } from '../http/json-body.js';
import type { BodyReader } from '../oip/body-reader.js';
import type { Label } from './labels.js';
import { readLabels } from './labels.js';
import type { OutcomeCache } from './outcome-cache.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid } from '../http/request-error.js';

export type LabelDeps = {
  readonly store: CaptureStore;
  readonly captures: CaptureBuffer;
  readonly redactors: Redactors;
  readonly outcomes: OutcomeCache;
  readonly reader: BodyReader;
  readonly maxJsonDepth: number;
  readonly flushLimitMs: number;
};

/**
 * `POST /v2/models/{m}/labels`: what really happened, by prediction id or by subject. Answers the outcome of each label;
 * the outcomes are there for the features of the next request.
 */
export async function postLabels(deps: LabelDeps, call: { table: ModelTable; body: Buffer }): Promise<Reply> {
  const { model } = call.table.route;
  const { reader, maxJsonDepth } = deps;
  const given = reader.isLarge(call.body.length)
    ? await reader.ask('labels', { body: call.body })
    : readLabels(parseJsonBody(call.body, maxJsonDepth));
  const labels = redacted(given, call.table, deps.redactors);
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
function redacted(labels: readonly Label[], table: ModelTable, redactors: Redactors): readonly Label[] {
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
