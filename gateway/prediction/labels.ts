import { invalid } from '../http/request-error.js';
import { isObject, kindOf } from '../oip/oip-request.js';

/** What really happened, by the id of a prediction or by its subject. */
export type Label = { id?: string; subject?: string; eventTimeMs?: number; value: number };

const maxLabels = 10_000;

/** Reads the labels of a request. Throws a `RequestError` that names the place. */
export function readLabels(body: unknown): Label[] {
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
