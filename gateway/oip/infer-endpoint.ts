import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import { readInferBody } from './infer-body.js';
import type { InferRequest } from './oip-request.js';
import { inferReply } from './oip-response.js';
import { scheduleOf } from './schedule-policy.js';
import type { Cancel } from '../models/batcher.js';
import type { Predictor } from '../prediction/predictor.js';
import type { Reply } from '../http/reply.js';

export type InferCall = {
  readonly model: string;
  readonly version: string | null;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly arrivedMs: number;
  readonly cancel: Cancel;
};

/** `POST /v2/models/{m}[/versions/{v}]/infer`, with JSON or binary tensors. Answers at once where the model does. */
export function infer(deps: { predictor: Predictor; maxJsonDepth: number }, call: InferCall): Reply | Promise<Reply> {
  const { model, version, headers, body, arrivedMs, cancel } = call;
  const headerKey = headers['x-perennial-key'];
  const headLength = headers['inference-header-content-length'];
  deps.predictor.refuseEarly({ model, version, body, arrivedMs });
  const read = readInferBody({ body, headLength }, deps.maxJsonDepth);
  const observed = { contentType: headLength === undefined ? 'application/json' : 'application/octet-stream', body };
  const parameters = read.kind === 'raw' ? none : read.request.parameters;
  const { priority, deadlineMs } = scheduleOf(parameters, arrivedMs);
  const answer = deps.predictor.predict({
    model,
    version,
    key: callerKey(parameters['key'], headerKey),
    arrivedMs,
    cancel,
    observed,
    read: read.kind === 'raw' ? read.read : () => read.request,
    priority,
    deadlineMs,
  });
  return answer instanceof Promise ? answer.then(inferReply) : inferReply(answer);
}

/** Parameters of a request without a head. */
const none: InferRequest['parameters'] = {};
