/** Program of the thread that reads large inference bodies, so that the event loop does not stand still while one is read. */
import { parentPort } from 'node:worker_threads';
import { RequestError } from '../http/request-error.js';
import { stepBack } from '../step-back.js';
import type { ReadAnswer, ReadCall } from './body-messages.js';
import { condensed } from './condensed-request.js';
import { readInferBody } from './infer-body.js';

const port = parentPort!;

stepBack();

port.on('message', ({ id, body, maxJsonDepth }: ReadCall) => {
  try {
    const read = readInferBody({ body: Buffer.from(body.buffer, body.byteOffset, body.length), headLength: undefined }, maxJsonDepth);
    if (read.kind === 'raw') throw new Error('a body without a head is not read here');
    const { request, transfer } = condensed(read.request);
    port.postMessage({ kind: 'read', id, request } satisfies ReadAnswer, transfer);
  } catch (error) {
    const told: ReadAnswer =
      error instanceof RequestError
        ? { kind: 'refused', id, errorKind: error.kind, message: error.message }
        : { kind: 'failed', id, message: error instanceof Error ? error.message : String(error) };
    port.postMessage(told);
  }
});
