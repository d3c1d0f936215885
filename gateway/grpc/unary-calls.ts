import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../http/request-error.js';
import { readInferRequest } from './infer-request.js';
import type { CallContext, InferenceDeps } from './inference-call.js';
import { CallGone, messageType, predictFor, textOf } from './inference-call.js';
import type { BytesCall, InferenceService, UnaryName } from './inference-service.js';
import { writeInferResponse } from './infer-response.js';
import type { RouteCall } from './route-calls.js';
import { routedRpcs } from './route-calls.js';
import type { CallStatus } from './status.js';

/** What a REST route answers. Throws a `RequestError`. */
export type AskRoute = (call: RouteCall & { readonly headers: IncomingHttpHeaders }) => Promise<unknown>;

/** How the calls of a server end: what a caller is told of an error, and what is counted. */
export type Outcome = {
  readonly failed: (rpc: string, error: unknown) => CallStatus;
  readonly succeeded: (rpc: string) => void;
};

/** `ModelInfer`. */
export function modelInfer(deps: InferenceDeps, outcome: Outcome): BytesCall {
  const answer = async (call: Parameters<BytesCall>[0], context: CallContext) => {
    const asked = readInferRequest(call.request);
    return { answer: await predictFor(deps, asked, context), raw: asked.raw };
  };
  return (call, respond) => {
    const { metadata } = call;
    answer(call, {
      rpc: 'ModelInfer',
      metadata,
      message: call.request,
      arrivedMs: performance.now(),
      deadline: call.getDeadline(),
      cancel: new CallGone(call),
    })
      .then(({ answer: given, raw }) => {
        const bytes = writeInferResponse(given, { raw });
        respond(null, bytes);
        outcome.succeeded('ModelInfer');
        given.sent({ contentType: messageType, body: bytes });
      })
      .catch((error: unknown) => respond(outcome.failed('ModelInfer', error)));
  };
}

/** A call that a REST route answers. */
export function routedCall(name: UnaryName, deps: { service: InferenceService; ask: AskRoute; outcome: Outcome }): BytesCall {
  const { service, ask, outcome } = deps;
  const { read, write } = service.codec(name);
  const rpc = routedRpcs[name];
  const answer = async (call: Parameters<BytesCall>[0]): Promise<Buffer> => {
    let request: Record<string, unknown>;
    try {
      request = read(call.request);
    } catch (error) {
      throw invalid(`the message is no ${name}Request: ${error instanceof Error ? error.message : String(error)}`);
    }
    const { metadata } = call;
    const headers: Record<string, string> = { host: call.getHost() };
    for (const key of ['authorization', 'x-api-key']) {
      const value = textOf(metadata, key);
      if (value !== undefined) headers[key] = value;
    }
    return write(rpc.answer(await ask({ ...rpc.ask(request), headers })));
  };
  return (call, respond) => {
    answer(call).then(
      (bytes) => {
        outcome.succeeded(name);
        respond(null, bytes);
      },
      (error: unknown) => respond(outcome.failed(name, error)),
    );
  };
}
