/** Program of the thread that reads large bodies, so that the event loop does not stand still while one is read. */
import { parentPort } from 'node:worker_threads';
import { RequestError } from '../http/request-error.js';
import { stepBack } from '../step-back.js';
import type { ReadAnswer, ReadCall } from './body-messages.js';
import { readLarge } from './thread-readings.js';

const port = parentPort!;

stepBack();

port.on('message', (call: ReadCall) => {
  const { id } = call;
  try {
    const { result, transfer } = readLarge(call);
    port.postMessage({ kind: 'read', id, result } satisfies ReadAnswer, transfer);
  } catch (error) {
    const told: ReadAnswer =
      error instanceof RequestError
        ? { kind: 'refused', id, errorKind: error.kind, message: error.message }
        : { kind: 'failed', id, message: error instanceof Error ? error.message : String(error) };
    port.postMessage(told);
  }
});
