import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import type { BodyReader } from './body-reader.js';
import type { ReadBody } from './infer-body.js';
import type { InferRequest } from './oip-request.js';
import { inferReply, inferReplyInTurns } from './oip-response.js';
import { scheduleOf } from './schedule-policy.js';
import type { Cancel } from '../models/batcher.js';
import { isLong } from '../prediction/answer-rows.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
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
export function infer(deps: { predictor: Predictor; bodies: BodyReader }, call: InferCall): Reply | Promise<Reply> {
  const { model, version, headers, body, arrivedMs } = call;
  const headLength = headers['inference-header-content-length'];
  deps.predictor.refuseEarly({ model, version, body, arrivedMs });
  const read = deps.bodies.read({ body, headLength });
  if (!(read instanceof Promise)) return answer(deps.predictor, call, read);
  return read.then((later) => answer(deps.predictor, call, later));
}

function answer(predictor: Predictor, call: InferCall, read: ReadBody): Reply | Promise<Reply> {
  const { model, version, headers, body, arrivedMs, cancel } = call;
  const observed = {
    contentType: headers['inference-header-content-length'] === undefined ? 'application/json' : 'application/octet-stream',
    body,
  };
  const parameters = read.kind === 'raw' ? none : read.request.parameters;
  const { priority, deadlineMs } = scheduleOf(parameters, arrivedMs);
  const answered = predictor.predict({
    model,
    version,
    key: callerKey(parameters['key'], headers['x-perennial-key']),
    arrivedMs,
    cancel,
    observed,
    read: read.kind === 'raw' ? read.read : () => read.request,
    priority,
    deadlineMs,
  });
  return answered instanceof Promise ? answered.then(replyInTime) : inferReply(answered);
}

function replyInTime(answer: PredictionAnswer): Reply | Promise<Reply> {
  return isLong(answer) ? inferReplyInTurns(answer) : inferReply(answer);
}

/** Parameters of a request without a head. */
const none: InferRequest['parameters'] = {};
