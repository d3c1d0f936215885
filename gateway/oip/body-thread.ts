/** Program of the thread that reads large bodies, so that the event loop does not stand still while one is read. */
import { parentPort } from 'node:worker_threads';
import { RequestError } from '../http/request-error.js';
import { stepBack } from '../step-back.js';
import { readForm } from './body-forms.js';
import type { ReadAnswer, ReadCall } from './body-messages.js';
import { condensed } from './condensed-request.js';

const port = parentPort!;

stepBack();

port.on('message', ({ id, body: { buffer, byteOffset, length }, form, signature, maxJsonDepth }: ReadCall) => {
  try {
    const body = Buffer.from(buffer, byteOffset, length);
    const read = readForm(form, body, { signature, maxJsonDepth });
    const { request, transfer } = condensed(read.request, body);
    port.postMessage({ kind: 'read', id, request, format: read.format } satisfies ReadAnswer, transfer);
  } catch (error) {
    const told: ReadAnswer =
      error instanceof RequestError
        ? { kind: 'refused', id, errorKind: error.kind, message: error.message }
        : { kind: 'failed', id, message: error instanceof Error ? error.message : String(error) };
    port.postMessage(told);
  }
});
