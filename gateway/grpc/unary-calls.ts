import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../http/request-error.js';
import { readInferRequest } from './infer-request.js';
import type { CallContext, InferenceDeps } from './inference-call.js';
import { CallGone, messageType, predictFor, textOf } from './inference-call.js';
import { modelOfCall, modelOfRefused } from './model-of-call.js';
import type { BytesCall, InferenceService, UnaryName } from './inference-service.js';
import { writeInferResponse } from './infer-response.js';
import type { RouteCall } from './route-calls.js';
import { routedRpcs } from './route-calls.js';
import type { CallStatus } from './status.js';

/** What a REST route answers. Throws a `RequestError`. */
export type AskRoute = (call: RouteCall & { readonly headers: IncomingHttpHeaders }) => Promise<unknown>;

/** How the calls of a server end: what a caller is told of an error, and what is counted. */
export type Outcome = {
  readonly failed: (rpc: string, error: unknown, model: string | null) => CallStatus;
  readonly succeeded: (rpc: string, model: string | null) => void;
  /** Something went wrong after the answer was given. */
  readonly faulted: (rpc: string, error: unknown) => void;
};

/** `ModelInfer`. */
export function modelInfer(deps: InferenceDeps, outcome: Outcome): BytesCall {
  const answer = async (call: Parameters<BytesCall>[0], context: CallContext) => {
    const asked = readInferRequest(call.request);
    return { answer: await predictFor(deps, asked, context), model: asked.model, raw: asked.raw };
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
      .then(({ answer: given, model, raw }) => {
        const body = writeInferResponse(given, { raw });
        return { model, body, sent: () => given.sent({ contentType: messageType, body }) };
      })
      .then(
        ({ model, body, sent }) => {
          respond(null, body);
          outcome.succeeded('ModelInfer', model);
          sent();
        },
        (error: unknown) => respond(outcome.failed('ModelInfer', error, modelOfRefused(call.request))),
      )
      // The answer is on its way: what goes wrong behind it is told to no caller, and ends no process.
      .catch((error: unknown) => outcome.faulted('ModelInfer', error));
  };
}

/** A call that a REST route answers. */
export function routedCall(name: UnaryName, deps: { service: InferenceService; ask: AskRoute; outcome: Outcome }): BytesCall {
  const { service, ask, outcome } = deps;
  const { read, write } = service.codec(name);
  const rpc = routedRpcs[name];
  const readRequest = (bytes: Buffer): Record<string, unknown> => {
    try {
      return read(bytes);
    } catch (error) {
      throw invalid(`the message is no ${name}Request: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const answer = async (call: Parameters<BytesCall>[0], asked: { model: string | null }): Promise<Buffer> => {
    const request = readRequest(call.request);
    asked.model = modelOfCall(name, request);
    const { metadata } = call;
    const headers: Record<string, string> = { host: call.getHost() };
    for (const key of ['authorization', 'x-api-key']) {
      const value = textOf(metadata, key);
      if (value !== undefined) headers[key] = value;
    }
    return write(rpc.answer(await ask({ ...rpc.ask(request), headers })));
  };
  return (call, respond) => {
    const asked = { model: null as string | null };
    answer(call, asked).then(
      (bytes) => {
        outcome.succeeded(name, asked.model);
        respond(null, bytes);
      },
      (error: unknown) => respond(outcome.failed(name, error, asked.model)),
    );
  };
}
