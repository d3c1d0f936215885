import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import { parseJsonBody } from '../http/json-body.js';
import { requestErrorOf } from '../http/reply.js';
import type { Reply } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import { type GatewayRequest, WholeRequest } from '../http/whole-request.js';
import { CallerGone } from '../http/caller-gone.js';
import type { BodyRoom } from '../http/body-room.js';
import type { BodyReader } from '../oip/body-reader.js';
import { noSignature } from '../oip/body-reader.js';
import { readRowsRequest } from '../oip/infer-body.js';
import type { InferRequest } from '../oip/oip-request.js';
import { inferReply } from '../oip/oip-response.js';
import { scheduleOf } from '../oip/schedule-policy.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { isLong, textInTurns } from '../prediction/answer-rows.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';
import { bodyLines, linesOf } from './body-lines.js';
import { fromGenerate, generateParts, generateText, readGenerate } from './generate-form.js';
import { LineRoom } from './line-room.js';
import { namingRow } from './request-rows.js';
import type { StreamResult } from './row-answers.js';
import { answerEach, eachRow } from './row-answers.js';

export type StreamDeps = {
  readonly predictor: Predictor;
  readonly tables: RoutingTable;
  readonly reader: BodyReader;
  readonly maxJsonDepth: number;
  readonly maxBodyBytes: number;
  readonly room: BodyRoom;
};

export type StreamCall = {
  readonly kind: 'inferStream' | 'generateStream' | 'generate';
  readonly model: string;
  readonly version: string | null;
  readonly request: GatewayRequest;
  /** Reads the whole body. */
  readonly body: () => Promise<Buffer>;
  readonly arrivedMs: number;
};

/** How a form of request is read, and its answers are written. */
type Form = {
  read(body: Buffer, plan: () => ServingPlan): InferRequest | Promise<InferRequest>;
  write(answer: PredictionAnswer): string;
};

/** `POST /v2/models/{m}[/versions/{v}]/generate`: one JSON object in, one out. */
export async function generate(deps: StreamDeps, call: StreamCall): Promise<Reply> {
  const bytes = await call.body();
  const { reader } = deps;
  const large = reader.isLarge(bytes.length) ? reader.large({ kind: 'generate' }, bytes) : null;
  const body = large === null ? parseJsonBody(bytes, deps.maxJsonDepth) : null;
  const answer = await deps.predictor.predict({
    model: call.model,
    version: call.version,
    key: callerKey(undefined, call.request.headers['x-perennial-key']),
    arrivedMs: call.arrivedMs,
    cancel: new CallerGone(call.request.socket),
    read: (plan) => (large === null ? fromGenerate(body, plan) : large.read(plan)),
  });
  const text = isLong(answer) ? await textInTurns(generateParts(answer)) : generateText(answer);
  return { status: 200, contentType: 'application/json', body: text, sent: answer.sent };
}

/**
 * `POST …/infer_stream` and `…/generate_stream`: server-sent events, one for each row of a request, or for each line of a
 * body of JSON lines, in their order and each as soon as it is answered. A later row or line that cannot be answered is
 * an event `{"error":…}`, and the stream goes on.
 */
export async function stream(deps: StreamDeps, call: StreamCall): Promise<Reply> {
  const { model, version, request } = call;
  const { headers } = request;
  const form = formOf(call.kind, deps);
  const headerKey = headers['x-perennial-key'];
  const planFor = (key: string | null): ServingPlan => chooseVersion(deps.tables.need(model), { version, key }).plan;
  const plan = (): ServingPlan => planFor(callerKey(undefined, headerKey));
  const left = new AbortController();
  const lines = isLines(headers) ? new LineRoom(deps.room, request) : null;
  const requests =
    lines === null
      ? rowsOfBody(await form.read(await call.body(), plan), (parameters) => planFor(callerKey(parameters['key'], headerKey)))
      : fromLines(call, { form, plan, lines, maxBytes: deps.maxBodyBytes, ended: left.signal });
  const asking = {
    arrivedMs: call.arrivedMs,
    callOf: ({ parameters }: InferRequest, arrivedMs: number) => ({
      model,
      version,
      key: callerKey(parameters['key'], headerKey),
      arrivedMs,
      cancel: left.signal,
      ...scheduleOf(parameters, arrivedMs),
    }),
  };
  let first: string;
  let answers: Awaited<ReturnType<typeof answerEach>>;
  try {
    answers = await answerEach(deps.predictor, asking, requests);
    if (answers === null) throw invalid('the body has no requests: one JSON object a line is expected');
    // What cannot be told is the answer's status, as long as there is none yet.
    first = form.write(answers.first);
  } catch (error) {
    left.abort();
    throw error;
  }
  const { first: firstAnswer, rest } = answers;
  return {
    status: 200,
    contentType: 'text/event-stream',
    headers: { 'X-Accel-Buffering': 'no' },
    body: '',
    async *stream(gone) {
      gone.addEventListener('abort', () => left.abort(), { once: true });
      try {
        yield event(first);
        firstAnswer.sent();
        lines?.answered();
        let at = 0;
        for await (const result of rest) {
          at++;
          yield event(told(result, { form, name: (message) => (lines === null ? namingRow(message, at) : ofLine(message, at)) }));
          if (result.kind === 'answer') result.answer.sent();
          lines?.answered();
        }
      } finally {
        left.abort();
      }
    },
  };
}

/** A result as the data of an event: an answer, or why there is none. */
function told(result: StreamResult, { form, name }: { form: Form; name: (message: string) => string }): string {
  try {
    if (result.kind === 'answer') return form.write(result.answer);
    return JSON.stringify({ error: name(result.error.message) });
  } catch (error) {
    return JSON.stringify({ error: name(requestErrorOf(error).message) });
  }
}

function rowsOfBody(
  request: InferRequest,
  planOf: (parameters: InferRequest['parameters']) => ServingPlan,
): AsyncGenerator<InferRequest, void> {
  return eachRow(request, planOf(request.parameters));
}

function formOf(kind: StreamCall['kind'], { reader, maxJsonDepth }: StreamDeps): Form {
  if (kind === 'inferStream')
    return {
      read: (body) =>
        reader.isLarge(body.length) ? reader.large({ kind: 'inferRows' }, body).read(noSignature) : readRowsRequest(body, maxJsonDepth),
      write: (answer) => String(inferReply(answer).body),
    };
  return {
    read: (body, plan) =>
      reader.isLarge(body.length) ? reader.large({ kind: 'generate' }, body).read(plan()) : readGenerate(body, plan(), maxJsonDepth),
    write: generateText,
  };
}

function isLines(headers: IncomingHttpHeaders): boolean {
  return /^application\/(x-ndjson|jsonlines|jsonl|x-jsonlines)\b/i.test(headers['content-type'] ?? '');
}

type LinesOf = { form: Form; plan: () => ServingPlan; lines: LineRoom; maxBytes: number; ended: AbortSignal };

/**
 * One request a line. A body of unknown length is answered while it still arrives; one of known length is read first,
 * since its sender may take no answer before it has sent everything.
 */
async function* fromLines(
  call: StreamCall,
  { form, plan, lines, maxBytes, ended }: LinesOf,
): AsyncGenerator<InferRequest | RequestError, void> {
  const { request } = call;
  const { headers } = request;
  let line = 0;
  try {
    if (request instanceof WholeRequest || headers['content-length'] !== undefined || headers['content-encoding'] !== undefined) {
      for (const text of linesOf(await call.body())) yield await readLine(text, { form, plan, line: line++ });
      return;
    }
    for await (const text of bodyLines(request, { maxBytes, ended, reading: (bytes) => lines.reading(bytes) })) {
      lines.taken(text.length);
      yield await readLine(text, { form, plan, line: line++ });
    }
  } catch (error) {
    // The first line fails as a plain call does; what comes after it is told where it stands.
    if (line === 0 || !(error instanceof RequestError)) throw error;
    yield new RequestError(error.kind, ofLine(error.message, line));
  }
}

async function readLine(
  text: Buffer,
  { form, plan, line }: { form: Form; plan: () => ServingPlan; line: number },
): Promise<InferRequest | RequestError> {
  try {
    return await form.read(text, plan);
  } catch (error) {
    const { kind, message } = requestErrorOf(error);
    return new RequestError(kind, ofLine(message, line));
  }
}

/** What is told of a line, with its number. */
function ofLine(message: string, line: number): string {
  return message.startsWith(`line ${line}: `) ? message : `line ${line}: ${message}`;
}

function event(text: string): string {
  return `data: ${text}\n\n`;
}
