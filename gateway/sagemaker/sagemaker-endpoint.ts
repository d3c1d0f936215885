import type { IncomingHttpHeaders } from 'node:http';
import { callerKey } from '../http/caller-key.js';
import { parseJsonBody } from '../http/json-body.js';
import type { InferRequest } from '../oip/oip-request.js';
import { isObject, readInferRequest } from '../oip/oip-request.js';
import { element, inferReply } from '../oip/oip-response.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { roleOf } from '../routing/routing-table.js';
import { fromCsv, fromInstances } from './sagemaker-body.js';
import type { OutputTensor, ServingPlan } from '../plans/serving-plan.js';

export type InvocationDeps = { readonly predictor: Predictor; readonly tables: RoutingTable; readonly maxJsonDepth: number };
export type InvocationCall = {
  readonly model: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly arrivedMs: number;
};

type Format = 'oip' | 'instances' | 'csv';

/**
 * `POST /endpoints/{name}/invocations`, as SageMaker's runtime has it: JSON (`{"inputs":[...]}` or `{"instances":[...]}`)
 * or CSV; the session is the sticky key, the target variant may be a version or a part in the route, the inference id
 * becomes the prediction's.
 */
export async function invoke(deps: InvocationDeps, call: InvocationCall): Promise<Reply> {
  const { model, headers, arrivedMs } = call;
  const { format, read } = readerOf(call, deps.maxJsonDepth);
  const inferenceId = headers['x-amzn-sagemaker-inference-id'];
  const withId = (request: InferRequest): InferRequest =>
    inferenceId === undefined || request.parameters['prediction_id'] !== undefined
      ? request
      : { ...request, parameters: { ...request.parameters, prediction_id: String(inferenceId) } };
  const answer = await deps.predictor.predict({
    model,
    version: targetVariant(deps.tables, call),
    key: callerKey(undefined, headers['x-amzn-sagemaker-session-id']),
    arrivedMs,
    read: (plan) => withId(read(plan)),
  });
  const reply = replyOf(answer, { format, accept: headers.accept });
  return {
    ...reply,
    headers: {
      'x-Amzn-Invoked-Production-Variant': answer.variant,
      'x-perennial-version': answer.version.version,
      'x-perennial-prediction-ids': answer.ids.slice(0, 16).join(','),
    },
  };
}

function readerOf(call: InvocationCall, maxJsonDepth: number): { format: Format; read: (plan: ServingPlan) => InferRequest } {
  const type = (call.headers['content-type'] ?? 'application/json').split(';')[0]!.trim().toLowerCase();
  if (type === 'text/csv') {
    const text = call.body.toString('utf8');
    return { format: 'csv', read: (plan) => fromCsv(text, plan) };
  }
  if (type !== 'application/json')
    throw new RequestError('unsupported', `Content-Type ${type.slice(0, 100)} is not taken: application/json and text/csv are`);
  const body = parseJsonBody(call.body, maxJsonDepth);
  if (isObject(body) && body['instances'] !== undefined)
    return { format: 'instances', read: (plan) => fromInstances(body['instances'], plan) };
  if (!isObject(body) || body['inputs'] === undefined)
    throw invalid('a JSON object with "inputs" (Open Inference Protocol) or "instances" is expected');
  const request = readInferRequest(body);
  return { format: 'oip', read: () => request };
}

function targetVariant(tables: RoutingTable, call: InvocationCall): string | null {
  const target = call.headers['x-amzn-sagemaker-target-variant'];
  if (target === undefined) return null;
  const table = tables.need(call.model);
  const wanted = String(target);
  for (const version of table.versions.keys()) if (version === wanted || roleOf(table, version) === wanted) return version;
  throw invalid(
    `there is no variant ${JSON.stringify(wanted.slice(0, 100))}: ${[...table.versions.keys()].map((version) => `${roleOf(table, version)} (${version})`).join(', ')} are there`,
  );
}

function replyOf(answer: PredictionAnswer, as: { format: Format; accept: string | undefined }): Reply {
  if (as.format === 'csv' ? !/application\/json/i.test(as.accept ?? '') : /text\/csv/i.test(as.accept ?? '')) {
    const { outputs, rows } = table(answer);
    const lines = Array.from({ length: rows }, (_, row) => outputs.map((output) => cells(output, { row, rows }).join(',')).join(','));
    return { status: 200, contentType: 'text/csv; charset=utf-8', body: `${lines.join('\n')}\n`, sent: answer.sent };
  }
  if (as.format === 'oip') return inferReply(answer);
  const { outputs, rows } = table(answer);
  const value = (output: OutputTensor, row: number): string => {
    const values = cells(output, { row, rows });
    return output.shape.length <= 1 || values.length === 1 ? values[0]! : `[${values.join(',')}]`;
  };
  const predictions = Array.from({ length: rows }, (_, row) =>
    outputs.length === 1
      ? value(outputs[0]!, row)
      : `{${outputs.map((output) => `${JSON.stringify(output.name)}:${value(output, row)}`).join(',')}}`,
  );
  return { status: 200, contentType: 'application/json', body: `{"predictions":[${predictions.join(',')}]}`, sent: answer.sent };
}

function table(answer: PredictionAnswer): { outputs: readonly OutputTensor[]; rows: number } {
  const wanted = answer.request.outputs;
  return {
    outputs: answer.predicted.outputs.filter(({ name }) => wanted === null || wanted.some((asked) => asked.name === name)),
    rows: answer.ids.length,
  };
}

function cells(output: OutputTensor, at: { row: number; rows: number }): string[] {
  const width = Math.floor(output.data.length / at.rows);
  return Array.from({ length: width }, (_, i) => element(output.data[at.row * width + i]!, output.datatype));
}

/** The error answers of SageMaker's runtime: what the caller got wrong is a ValidationError, what the model did a ModelError. */
export function invocationError(error: RequestError): Reply {
  const answer = (status: number, type: string, more: Record<string, unknown> = {}): Reply => ({
    ...json(status, { ErrorCode: type, Message: error.message, message: error.message, ...more }),
    headers: { 'x-amzn-ErrorType': type },
  });
  switch (error.kind) {
    case 'inferenceFailed':
    case 'notFinite':
    case 'timeout':
      return answer(424, 'ModelError', { OriginalStatusCode: error.status, OriginalMessage: error.message, LogStreamArn: '' });
    case 'notReady':
    case 'overloaded':
      return answer(503, 'ServiceUnavailable');
    case 'internal':
      return answer(500, 'InternalFailure');
    case 'methodNotAllowed':
      return answer(405, 'ValidationError');
    case 'unauthenticated':
      return answer(401, 'AccessDeniedException');
    case 'invalidRequest':
    case 'notFound':
    case 'unsupported':
      return answer(400, 'ValidationError');
  }
}
