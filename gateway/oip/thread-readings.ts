import { readFileSync } from 'node:fs';
import { parseJsonBody } from '../http/json-body.js';
import { readKeptJson } from '../jobs/kept-json.js';
import { readSubmission } from '../jobs/submission.js';
import { readLabels } from '../prediction/labels.js';
import { readForm } from './body-forms.js';
import type { ReadCall, ReadingKind, ReadResults } from './body-messages.js';
import { condensed } from './condensed-request.js';

/** What was read, and what of it is given away with the message, not copied. */
export type DoneReading = { readonly result: ReadResults[ReadingKind]; readonly transfer: ArrayBuffer[] };

/** Reads what is large, all of it, as another thread can be told it. Throws a `RequestError` for what is wrong with it. */
export function readLarge(call: ReadCall): DoneReading {
  const { maxJsonDepth } = call;
  switch (call.kind) {
    case 'form': {
      const { form, body: bytes, signature } = call.reading;
      const body = bufferOf(bytes);
      const { request, format } = readForm(form, body, { signature, maxJsonDepth });
      const { request: sent, transfer } = condensed(request, body);
      return { result: { request: sent, format }, transfer };
    }
    case 'submission':
      return { result: readSubmission(call.reading.body, maxJsonDepth), transfer: [] };
    case 'keptJson': {
      const body = readFileSync(call.reading.path);
      const kept = readKeptJson(body, maxJsonDepth);
      if (kept.kind === 'instances') return { result: kept, transfer: [kept.places.buffer] };
      const { request, transfer } = condensed(kept.request, body);
      return { result: { kind: 'request', request }, transfer };
    }
    case 'labels':
      return { result: readLabels(parseJsonBody(call.reading.body, maxJsonDepth)), transfer: [] };
  }
}

/** Bytes of a message are no buffer any more. */
const bufferOf = ({ buffer, byteOffset, length }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, length);
