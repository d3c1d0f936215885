import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import { parseJsonBody } from '../http/json-body.js';
import { readInferRequest } from './oip-request.js';
import { inferReply } from './oip-response.js';
import type { Predictor } from '../prediction/predictor.js';
import type { Reply } from '../http/reply.js';
import { RequestError } from '../http/request-error.js';

export type InferCall = {
  readonly model: string;
  readonly version: string | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly arrivedMs: number;
};

/** `POST /v2/models/{m}[/versions/{v}]/infer`. */
export async function infer(deps: { predictor: Predictor; maxJsonDepth: number }, call: InferCall): Promise<Reply> {
  const { model, version, headers, body, arrivedMs } = call;
  if (headers['inference-header-content-length'] !== undefined) {
    throw new RequestError('unsupported', 'binary tensors (Inference-Header-Content-Length) are not taken: send JSON tensors with "data"');
  }
  const request = readInferRequest(parseJsonBody(body, deps.maxJsonDepth));
  const key = callerKey(request.parameters['key'], headers['x-perennial-key']);
  return inferReply(await deps.predictor.predict({ model, version, key, arrivedMs, read: () => request }));
}
