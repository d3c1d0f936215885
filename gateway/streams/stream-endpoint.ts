import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import { parseJsonBody } from '../http/json-body.js';
import { requestErrorOf } from '../http/reply.js';
import type { Reply } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import { type GatewayRequest, WholeRequest } from '../http/whole-request.js';
import { readJsonRequest } from '../oip/infer-body.js';
import type { InferRequest } from '../oip/oip-request.js';
import { inferReply } from '../oip/oip-response.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';
import { bodyLines, linesOf } from './body-lines.js';
import { fromGenerate, generateText } from './generate-form.js';
import { ofRow } from './request-rows.js';
import { answerEach, eachRow } from './row-answers.js';

export type StreamDeps = {
  readonly predictor: Predictor;
  readonly tables: RoutingTable;
  readonly maxJsonDepth: number;
  readonly maxBodyBytes: number;
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
  read(body: Buffer, plan: () => ServingPlan): InferRequest;
  write(answer: PredictionAnswer): string;
};

/** `POST /v2/models/{m}[/versions/{v}]/generate`: one JSON object in, one out. */
export async function generate(deps: StreamDeps, call: StreamCall): Promise<Reply> {
  const body = parseJsonBody(await call.body(), deps.maxJsonDepth);
  const answer = await deps.predictor.predict({
    model: call.model,
    version: call.version,
    key: callerKey(undefined, call.request.headers['x-perennial-key']),
    arrivedMs: call.arrivedMs,
    read: (plan) => fromGenerate(body, plan),
  });
  return { status: 200, contentType: 'application/json', body: generateText(answer), sent: answer.sent };
}

/**
 * `POST …/infer_stream` and `…/generate_stream`: server-sent events, one for each row of a request, or for each line of a
 * body of JSON lines, in their order and each as soon as it is answered. A later row or line that cannot be answered is
 * an event `{"error":…}`, and the stream goes on.
 */
export async function stream(deps: StreamDeps, call: StreamCall): Promise<Reply> {
  const form = formOf(call.kind, deps.maxJsonDepth);
  const { headers } = call.request;
  const plan = (): ServingPlan =>
    chooseVersion(deps.tables.need(call.model), { version: call.version, key: callerKey(undefined, headers['x-perennial-key']) }).plan;
  const left = new AbortController();
  const byLine = isLines(headers);
  const requests = byLine
    ? fromLines(call, { form, plan, maxBytes: deps.maxBodyBytes })
    : eachRow(form.read(await call.body(), plan), plan());
  const answers = await answerEach(
    deps.predictor,
    {
      model: call.model,
      version: call.version,
      key: callerKey(undefined, headers['x-perennial-key']),
      arrivedMs: call.arrivedMs,
      cancel: left.signal,
    },
    requests,
  );
  if (answers === null) throw invalid('the body has no requests: one JSON object a line is expected');
  return {
    status: 200,
    contentType: 'text/event-stream',
    headers: { 'X-Accel-Buffering': 'no' },
    body: '',
    async *stream(gone) {
      gone.addEventListener('abort', () => left.abort(), { once: true });
      yield event(form.write(answers.first));
      answers.first.sent();
      let at = 0;
      for await (const result of answers.rest) {
        at++;
        if (result.kind === 'error')
          yield event(JSON.stringify({ error: byLine ? ofLine(result.error.message, at) : ofRow(result.error.message, at) }));
        else {
          yield event(form.write(result.answer));
          result.answer.sent();
        }
      }
    },
  };
}

function formOf(kind: StreamCall['kind'], maxJsonDepth: number): Form {
  if (kind === 'inferStream')
    return { read: (body) => readJsonRequest(body, maxJsonDepth), write: (answer) => String(inferReply(answer).body) };
  return { read: (body, plan) => fromGenerate(parseJsonBody(body, maxJsonDepth), plan()), write: generateText };
}

function isLines(headers: IncomingHttpHeaders): boolean {
  return /^application\/(x-ndjson|jsonlines|jsonl|x-jsonlines)\b/i.test(headers['content-type'] ?? '');
}

/**
 * One request a line. A body of unknown length is answered while it still arrives; one of known length is read first,
 * since its sender may take no answer before it has sent everything.
 */
async function* fromLines(
  call: StreamCall,
  { form, plan, maxBytes }: { form: Form; plan: () => ServingPlan; maxBytes: number },
): AsyncGenerator<InferRequest | RequestError, void> {
  const { request } = call;
  const { headers } = request;
  const whole = request instanceof WholeRequest || headers['content-length'] !== undefined || headers['content-encoding'] !== undefined;
  let line = 0;
  for await (const text of whole ? linesOf(await call.body()) : bodyLines(request, maxBytes)) {
    yield readLine(text, { form, plan, line: line++ });
  }
}

function readLine(text: Buffer, { form, plan, line }: { form: Form; plan: () => ServingPlan; line: number }): InferRequest | RequestError {
  try {
    return form.read(text, plan);
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
