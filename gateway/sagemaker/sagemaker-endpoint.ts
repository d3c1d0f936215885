import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Cancel } from '../models/batcher.js';
import { callerKey } from '../http/caller-key.js';
import type { Reply } from '../http/reply.js';
import { invalid } from '../http/request-error.js';
import type { BodyReader } from '../oip/body-reader.js';
import { LargeBody } from '../oip/large-body.js';
import type { InferRequest } from '../oip/oip-request.js';
import { isLong } from '../prediction/answer-rows.js';
import type { PredictionCall, Predictor } from '../prediction/predictor.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion, roleOf } from '../routing/routing-table.js';
import { answerBody, answerFormat, answerInTurns } from './answer-body.js';
import type { HeaderNames, Invocation } from './invocation-headers.js';
import { plainHeaders, readInvocation } from './invocation-headers.js';
import type { Target } from './invocation-target.js';
import { targetOf } from './invocation-target.js';
import { openBody } from './open-body.js';
import { formatOf } from './request-body.js';
import type { Sessions, SessionUse } from './sessions.js';
import { newSessionHeader } from './sessions.js';

export type InvocationDeps = {
  readonly predictor: Predictor;
  readonly tables: RoutingTable;
  readonly sessions: Sessions;
  readonly bodies: BodyReader;
  readonly maxJsonDepth: number;
};
export type InvocationCall = {
  /** Name of the endpoint in the path. */
  readonly model: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly arrivedMs: number;
  readonly cancel: Cancel;
};

/** A call whose headers were read: who shall answer, and with whose key. */
export type Opened = { readonly invocation: Invocation; readonly target: Target; readonly session: SessionUse };

/**
 * `POST /endpoints/{name}/invocations`, `InvokeEndpoint` of SageMaker's runtime. The session is the sticky key, the target
 * variant may be a version or a part in the route, the inference id becomes the prediction's.
 */
export async function invoke(deps: InvocationDeps, call: InvocationCall): Promise<Reply> {
  const opened = openInvocation(deps, call, plainHeaders);
  const { invocation } = opened;
  const body = openBody(deps, call, invocation);
  if (body.kind === 'session') return sessionReply(deps, opened, body.action);
  // Whether an answer can be given as it is accepted, the content type tells before a large body is read.
  const format = answerFormat(body.format ?? formatOf(invocation.contentType), invocation.accept);
  const answer = await deps.predictor.predict({
    ...predictionOf(opened, call.arrivedMs),
    cancel: call.cancel,
    read: (plan) => {
      const read = body.read(plan);
      return read instanceof Promise ? read.then((request) => withId(request, invocation)) : withId(read, invocation);
    },
    observed: { contentType: invocation.contentType, body: call.body },
  });
  const written = body instanceof LargeBody ? answerFormat(body.format!, invocation.accept) : format;
  const told = isLong(answer) ? await answerInTurns(answer, written) : answerBody(answer, written);
  return {
    status: 200,
    ...told,
    sent: answer.sent,
    headers: {
      ...told.headers,
      ...commonHeaders(opened),
      'x-Amzn-Invoked-Production-Variant': answer.variant,
      'x-perennial-version': answer.version.version,
      'x-perennial-prediction-ids': answer.ids.slice(0, 16).join(','),
      ...(answer.cached ? { 'x-perennial-cached': 'true' } : {}),
    },
  };
}

/** Reads the headers of a call. Throws a `RequestError` for what is not there or not taken. */
export function openInvocation(
  { tables, sessions }: Pick<InvocationDeps, 'tables' | 'sessions'>,
  call: Pick<InvocationCall, 'model' | 'headers'>,
  names: HeaderNames,
): Opened {
  const invocation = readInvocation(call.headers, names);
  return { invocation, target: targetOf(tables, call.model, invocation), session: sessions.use(invocation.sessionId, Date.now()) };
}

/** A prediction call without its body. */
export function predictionOf({ target, session }: Opened, arrivedMs: number): Omit<PredictionCall, 'read'> {
  return { ...target, key: session.kind === 'none' ? null : callerKey(session.id, undefined), arrivedMs };
}

/** Gives the predictions the caller's inference id, unless the request names one itself. */
export function withId(request: InferRequest, { inferenceId }: Invocation): InferRequest {
  if (inferenceId === null || request.parameters['prediction_id'] !== undefined) return request;
  return { ...request, parameters: { ...request.parameters, prediction_id: inferenceId } };
}

/** What every answer has: a request id, the custom attributes as they came, a session that was opened. */
export function commonHeaders({ invocation, session }: Opened): Record<string, string> {
  const headers: Record<string, string> = { 'x-amzn-RequestId': randomUUID() };
  if (invocation.customAttributes !== null) headers['X-Amzn-SageMaker-Custom-Attributes'] = invocation.customAttributes;
  if (session.kind === 'new') headers['X-Amzn-SageMaker-New-Session-Id'] = newSessionHeader(session);
  return headers;
}

/** Opens or closes a session without a prediction. */
function sessionReply({ tables, sessions }: InvocationDeps, opened: Opened, action: 'open' | 'close'): Reply {
  const { target, session } = opened;
  if (session.kind !== (action === 'open' ? 'new' : 'existing'))
    throw invalid(action === 'open' ? 'a session is opened with SessionId NEW_SESSION' : 'a session is closed with its SessionId');
  const table = tables.need(target.model);
  const { version } = chooseVersion(table, { version: target.version, key: session.id });
  const headers = { ...commonHeaders(opened), 'x-Amzn-Invoked-Production-Variant': roleOf(table, version) };
  if (action === 'close') {
    sessions.close(session.id);
    Object.assign(headers, { 'X-Amzn-SageMaker-Closed-Session-Id': session.id });
  }
  return { status: 200, contentType: 'application/json', body: '{}', headers };
}
