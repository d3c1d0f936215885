import { EventStreamCodec } from '@smithy/core/event-streams';
import type { Reply } from '../http/reply.js';
import { requestErrorOf } from '../http/reply.js';
import { asRowsRequest } from '../oip/infer-body.js';
import { invalid, RequestError } from '../http/request-error.js';
import { chooseVersion } from '../routing/routing-table.js';
import { namingRow } from '../streams/request-rows.js';
import type { StreamResult } from '../streams/row-answers.js';
import { answerEach, eachRow } from '../streams/row-answers.js';
import { answerBody, answerFormat, predictions } from './answer-body.js';
import type { PredictionAnswer } from '../prediction/predictor.js';
import { streamHeaders } from './invocation-headers.js';
import { openBody } from './open-body.js';
import type { Format } from './request-body.js';
import { formatOf } from './request-body.js';
import type { InvocationCall, InvocationDeps } from './sagemaker-endpoint.js';
import { commonHeaders, openInvocation, predictionOf, withId } from './sagemaker-endpoint.js';
import { runtimeError } from './sagemaker-errors.js';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/**
 * `POST /endpoints/{name}/invocations-response-stream`, `InvokeEndpointWithResponseStream`: an AWS event stream with one
 * payload part a row, in their order and each as soon as it is answered: a line of CSV, or a line of JSON. A later row
 * that cannot be answered ends the stream with a `ModelStreamError`.
 */
export async function invokeWithResponseStream(deps: InvocationDeps, call: InvocationCall): Promise<Reply> {
  const opened = openInvocation(deps, call, streamHeaders);
  const { invocation, target } = opened;
  if (opened.session.kind === 'new') throw invalid('a session is opened with InvokeEndpoint, not with a response stream');
  const body = openBody(deps, call, invocation);
  if (body.kind === 'session') throw invalid('a session is closed with InvokeEndpoint, not with a response stream');
  const accepted = answerFormat(body.format ?? formatOf(invocation.contentType), invocation.accept);
  if (accepted === 'npy' || accepted === 'binary')
    throw new RequestError('unsupported', 'binary answers are not sent in parts: accept application/jsonlines or text/csv');
  const left = new AbortController();
  const prediction = { ...predictionOf(opened, call.arrivedMs), cancel: left.signal };
  const { plan } = chooseVersion(deps.tables.need(target.model), prediction);
  const asking = { arrivedMs: call.arrivedMs, callOf: (_: unknown, arrivedMs: number) => ({ ...prediction, arrivedMs }) };
  const request = withId(asRowsRequest(await body.read(plan)), invocation);
  const answers = await answerEach(deps.predictor, asking, eachRow(request, plan));
  if (answers === null) throw invalid('the request has no rows: at least one is expected');
  // What cannot be told is the answer's status, as long as there is none yet.
  const format = answerFormat(body.format!, invocation.accept);
  const first = part(answers.first, format);
  return {
    status: 200,
    contentType: 'application/vnd.amazon.eventstream',
    headers: {
      ...commonHeaders(opened),
      'X-Amzn-SageMaker-Content-Type': format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonlines',
      'x-Amzn-Invoked-Production-Variant': answers.first.variant,
    },
    body: '',
    async *stream(gone) {
      gone.addEventListener('abort', () => left.abort(), { once: true });
      yield first;
      answers.first.sent();
      let row = 0;
      for await (const result of answers.rest) {
        row++;
        const told = partOf(result, format);
        if (told instanceof RequestError) return yield failure(new RequestError(told.kind, namingRow(told.message, row)));
        yield told;
        if (result.kind === 'answer') result.answer.sent();
      }
    },
  };
}

function partOf(result: StreamResult, format: Format): Uint8Array | RequestError {
  if (result.kind === 'error') return result.error;
  try {
    return part(result.answer, format);
  } catch (error) {
    return requestErrorOf(error);
  }
}

function part(answer: PredictionAnswer, format: Format): Uint8Array {
  const text = format === 'instances' ? `${predictions(answer).write(0)}\n` : String(answerBody(answer, format).body);
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: 'PayloadPart' },
      ':content-type': { type: 'string', value: 'application/octet-stream' },
    },
    body: Buffer.from(format === 'oip' ? `${text}\n` : text),
  });
}

function failure(error: RequestError): Uint8Array {
  const { type } = runtimeError(error);
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'exception' },
      ':exception-type': { type: 'string', value: type === 'InternalFailure' ? 'InternalStreamFailure' : 'ModelStreamError' },
      ':content-type': { type: 'string', value: 'application/json' },
    },
    body: Buffer.from(JSON.stringify({ Message: error.message, ErrorCode: type })),
  });
}
