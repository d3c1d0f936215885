import { callerKey } from '../http/caller-key.js';
import { parseJsonText, textOf } from '../http/json-body.js';
import type { Reply } from '../http/reply.js';
import { invalid } from '../http/request-error.js';
import { exactRequest } from '../oip/exact-integers.js';
import type { InferCall } from '../oip/infer-endpoint.js';
import { fromInstances } from '../oip/instances.js';
import type { InferRequest } from '../oip/oip-request.js';
import { isObject, kindOf } from '../oip/oip-request.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import { fromColumns, withBase64 } from './columns.js';
import { nestedJson, rowsJson } from './nested.js';

/**
 * `POST /v1/models/{m}[/versions/{v}]:predict`, as TensorFlow Serving has it: rows in `instances` are answered with
 * `predictions`, columns in `inputs` with `outputs`. Who answered stands in the answer's headers.
 */
export async function v1Predict(deps: { predictor: Predictor; maxJsonDepth: number }, call: InferCall): Promise<Reply> {
  const { model, version, headers, arrivedMs, cancel } = call;
  const text = textOf(call.body);
  const body = parseJsonText(text, deps.maxJsonDepth);
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: a JSON object with "instances" or "inputs" is expected`);
  const byRow = body['instances'] !== undefined;
  if (byRow === (body['inputs'] !== undefined))
    throw invalid(
      `the request has ${byRow ? 'both "instances" and "inputs"' : 'neither "instances" nor "inputs"'}: one of them is expected`,
    );
  const from = (value: unknown, plan: ServingPlan): InferRequest => {
    const { instances, inputs } = value as Record<string, unknown>;
    return byRow ? fromInstances(withBase64(instances), plan) : fromColumns(withBase64(inputs), plan);
  };
  const answer = await deps.predictor.predict({
    model,
    version,
    arrivedMs,
    cancel,
    key: callerKey(undefined, headers['x-perennial-key']),
    observed: { contentType: 'application/json', body: call.body },
    read: (plan) =>
      exactRequest(
        plan,
        () => text,
        (value) => from(value, plan),
      ) ?? from(body, plan),
  });
  return {
    status: 200,
    contentType: 'application/json',
    body: byRow ? `{"predictions":[${predictions(answer).join(',')}]}` : `{"outputs":${outputs(answer)}}`,
    headers: {
      'x-perennial-variant': answer.variant,
      'x-perennial-version': answer.version.version,
      'x-perennial-prediction-ids': answer.ids.slice(0, 16).join(','),
      ...(answer.cached ? { 'x-perennial-cached': 'true' } : {}),
    },
    sent: answer.sent,
  };
}

function predictions({ predicted, ids }: PredictionAnswer): string[] {
  const rows = ids.length;
  const columns = predicted.outputs.map((output) => rowsJson(output, rows));
  if (columns.length === 1) return columns[0]!;
  return Array.from({ length: rows }, (_, row) => objectOf(predicted.outputs.map(({ name }, i) => [name, columns[i]![row]!])));
}

function outputs({ predicted }: PredictionAnswer): string {
  const [only] = predicted.outputs;
  if (predicted.outputs.length === 1) return nestedJson(only!);
  return objectOf(predicted.outputs.map((output) => [output.name, nestedJson(output)]));
}

function objectOf(members: readonly (readonly [name: string, json: string])[]): string {
  return `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}
