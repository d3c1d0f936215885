import type { Callers } from './http/caller-check.js';
import { checkCaller } from './http/caller-check.js';
import { packReply } from './http/content-encoding.js';
import type { Endpoint } from './http/endpoint.js';
import { readEndpoint } from './http/endpoint.js';
import type { InnerRequest } from './http/inner-request.js';
import { innerRequest } from './http/inner-request.js';
import type { Reply } from './http/reply.js';
import { bodyText, errorReply, requestErrorOf } from './http/reply.js';
import type { BodyLimits } from './http/request-body.js';
import { readBody } from './http/request-body.js';
import { RequestError } from './http/request-error.js';
import { admitSigned, isSigned } from './http/signed-request.js';
import { type GatewayRequest, WholeRequest } from './http/whole-request.js';
import type { Answer, Answering } from './endpoint-answers.js';
import type { LogLine } from './log.js';
import { reasonOf } from './log.js';
import type { LogSettings } from './oip/log-settings.js';
import type { Predictor } from './prediction/predictor.js';
import { invocationError } from './sagemaker/sagemaker-errors.js';
import { answerTogether } from './siblings/answer-together.js';
import type { OwnAnswer, SiblingCall, Siblings } from './siblings/siblings.js';
import { reachOf } from './siblings/siblings.js';
import type { BegunHttp, RequestWatch } from './watching/request-watch.js';

export type HandlerDeps = {
  readonly answer: Answer;
  readonly predictor: Predictor;
  readonly callers: Callers;
  readonly siblings: Siblings | null;
  readonly bodies: BodyLimits;
  readonly watch: RequestWatch;
  readonly logging: LogSettings;
  /** Answers of this size and more are packed for callers that take that. */
  readonly packFromBytes: number;
  /** Whether models may still come that are not known yet. */
  isLoading(): boolean;
};

/** What stands between a protocol and the answers: who may call, which process answers, what is told of an error. */
export type RequestHandler = {
  /** Answers every HTTP request; neither throws nor rejects. No promise where there is nothing to wait for. */
  handle(request: GatewayRequest): Reply | Promise<Reply>;
  /** What a route answers to a call of another protocol; rejects as the endpoint does. */
  ask(endpoint: Endpoint, call: InnerRequest): Promise<Reply>;
  /** What this process alone answers to a call of another one on the same port. */
  answerSibling(call: SiblingCall): Promise<OwnAnswer>;
  /** An error as the caller gets it; one that nobody expected goes into the log, with where it was met. */
  tell(error: unknown, path: string): RequestError;
};

/** A request that is under way; its endpoint is known once it was read. */
type Begun = { -readonly [Part in keyof BegunHttp]: BegunHttp[Part] };

export function requestHandler(deps: HandlerDeps): RequestHandler {
  const { answer, predictor: plainPredictor, callers, siblings, bodies, watch, logging } = deps;
  const { log } = logging;

  const tell = (error: unknown, path: string): RequestError => {
    const told = requestErrorOf(error);
    // A model that is not known before the routes were read may well be there in a moment.
    if (told.kind === 'notFound' && deps.isLoading()) return new RequestError('notReady', 'the gateway is still loading its models');
    if (told.kind === 'internal')
      log({
        level: 'error',
        event: 'requestFailed',
        path: path.slice(0, 200),
        reason: error instanceof Error ? error.stack : reasonOf(error),
      });
    return told;
  };

  /** What this process alone answers to a request whose body was read. */
  const ownAnswer =
    (endpoint: Endpoint, { method = 'GET', url: path = '/', headers }: GatewayRequest) =>
    async (text: string): Promise<Reply> => {
      const inner = innerRequest({ method, path, headers: { accept: headers.accept, 'content-type': headers['content-type'] }, text });
      return answer(endpoint, inner, { arrivedMs: performance.now(), predictor: plainPredictor });
    };

  const respond = (endpoint: Endpoint, request: GatewayRequest, answering: Answering): Reply | Promise<Reply> =>
    siblings === null || reachOf(endpoint) === 'alone'
      ? answer(endpoint, request, answering)
      : answerTogether({
          siblings,
          endpoint,
          request,
          readBody: (of) => readBody(of, bodies),
          own: ownAnswer(endpoint, request),
          tell,
        });

  const respondSigned = async (endpoint: Endpoint, request: GatewayRequest, answering: Answering): Promise<Reply> =>
    respond(endpoint, await admitSigned({ callers, bodies }, endpoint, request), answering);

  /** Most answers are too small to pack. */
  const isPacked = (request: GatewayRequest, reply: Reply): boolean =>
    reply.body.length >= deps.packFromBytes && request.headers['accept-encoding'] !== undefined;

  const answered = (begun: Begun, reply: Reply): Reply => {
    const { request, arrivedMs } = begun;
    if (logging.isVerbose) log(requestLine(request, reply.status, arrivedMs));
    watch.answered(begun, reply.status);
    // What a stream of answers is made from stays in memory until its end.
    if (reply.stream !== undefined) return { ...reply, ended: () => bodies.room.release(request) };
    bodies.room.release(request);
    return reply;
  };

  const refused = (begun: Begun, error: unknown): Reply => {
    const { request } = begun;
    const path = request.url ?? '/';
    // What was not read of the body is thrown away, so that the connection can carry the next request.
    if (!request.complete) request.resume();
    // Where no endpoint was found there is none, whatever models may come.
    const told = begun.endpoint === null ? requestErrorOf(error) : tell(error, path);
    const reply = path.startsWith('/endpoints/') ? invocationError(told) : errorReply(told);
    watch.answered(begun, reply.status);
    bodies.room.release(request);
    return reply;
  };

  const answeredLater = async (begun: Begun, work: Reply | Promise<Reply>): Promise<Reply> => {
    try {
      const reply = await work;
      return answered(
        begun,
        isPacked(begun.request, reply) ? await packReply(reply, begun.request.headers['accept-encoding'] ?? '') : reply,
      );
    } catch (error) {
      return refused(begun, error);
    }
  };

  // Neither waits nor makes promises where there is nothing to wait for: most answers are there at once.
  const handle = (request: GatewayRequest): Reply | Promise<Reply> => {
    const arrivedMs = request instanceof WholeRequest ? request.arrivedMs : performance.now();
    const trace = watch.begin(request.headers, arrivedMs);
    const begun: Begun = { request, endpoint: null, arrivedMs, trace };
    try {
      const endpoint = readEndpoint(request.method ?? 'GET', request.url ?? '/');
      begun.endpoint = endpoint;
      const answering = { arrivedMs, predictor: trace === null ? plainPredictor : plainPredictor.traced(trace) };
      if (isSigned(callers, request.headers)) return answeredLater(begun, respondSigned(endpoint, request, answering));
      const checked = checkCaller(callers, endpoint, request.headers);
      const reply =
        checked instanceof Promise ? checked.then(() => respond(endpoint, request, answering)) : respond(endpoint, request, answering);
      return reply instanceof Promise || isPacked(request, reply) ? answeredLater(begun, reply) : answered(begun, reply);
    } catch (error) {
      return refused(begun, error);
    }
  };

  return {
    handle,
    tell,
    async ask(endpoint, call) {
      const checked = checkCaller(callers, endpoint, call.headers);
      if (checked instanceof Promise) await checked;
      return respond(endpoint, innerRequest(call), { arrivedMs: performance.now(), predictor: plainPredictor });
    },
    async answerSibling({ method, path, body }) {
      try {
        const request = innerRequest({ method, path, headers: {} });
        const reply = await ownAnswer(readEndpoint(method, path), request)(body);
        return { status: reply.status, contentType: reply.contentType, body: await bodyText(reply) };
      } catch (error) {
        const { status, contentType, body: text } = errorReply(tell(error, path));
        return { status, contentType, body: String(text) };
      }
    },
  };
}

/** A request as its own line of the log, where that is asked for. */
function requestLine(request: GatewayRequest, status: number, arrivedMs: number): LogLine {
  const { method, url } = request;
  return { level: 'info', event: 'request', method, path: url?.slice(0, 200), status, ms: performance.now() - arrivedMs };
}
