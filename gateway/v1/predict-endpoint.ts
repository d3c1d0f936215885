import { callerKey } from '../http/caller-key.js';
import type { Reply } from '../http/reply.js';
import type { BodyReader } from '../oip/body-reader.js';
import type { InferCall } from '../oip/infer-endpoint.js';
import type { TextParts } from '../prediction/answer-rows.js';
import { isLong, textInTurns, textOf } from '../prediction/answer-rows.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import { nestedJson, nestedRows } from './nested.js';
import type { PredictFormat } from './predict-body.js';
import { readPredictBody } from './predict-body.js';

export type PredictDeps = { readonly predictor: Predictor; readonly bodies: BodyReader; readonly maxJsonDepth: number };

/**
 * `POST /v1/models/{m}[/versions/{v}]:predict`, as TensorFlow Serving has it: rows in `instances` are answered with
 * `predictions`, columns in `inputs` with `outputs`. Who answered stands in the answer's headers.
 */
export async function v1Predict({ predictor, bodies, maxJsonDepth }: PredictDeps, call: InferCall): Promise<Reply> {
  const { model, version, headers, arrivedMs, cancel } = call;
  const body = bodies.isLarge(call.body.length)
    ? bodies.large<PredictFormat>({ kind: 'predict' }, call.body)
    : readPredictBody(call.body, maxJsonDepth);
  const answer = await predictor.predict({
    model,
    version,
    arrivedMs,
    cancel,
    key: callerKey(undefined, headers['x-perennial-key']),
    observed: { contentType: 'application/json', body: call.body },
    read: (plan) => body.read(plan),
  });
  const parts = body.format === 'rows' ? predictions(answer) : outputs(answer);
  return {
    status: 200,
    contentType: 'application/json',
    body: isLong(answer) ? await textInTurns(parts) : textOf(parts),
    headers: {
      'x-perennial-variant': answer.variant,
      'x-perennial-version': answer.version.version,
      'x-perennial-prediction-ids': answer.ids.slice(0, 16).join(','),
      ...(answer.cached ? { 'x-perennial-cached': 'true' } : {}),
    },
    sent: answer.sent,
  };
}

function predictions({ predicted, ids }: PredictionAnswer): TextParts {
  const rows = ids.length;
  const columns = predicted.outputs.map((output) => nestedRows(output, rows));
  if (columns.length === 1) return ['{"predictions":[', columns[0]!, ']}'];
  const names = predicted.outputs.map(({ name }) => JSON.stringify(name));
  const write = (row: number): string => `{${columns.map((column, i) => `${names[i]}:${column.write(row)}`).join(',')}}`;
  return ['{"predictions":[', { rows, between: ',', write }, ']}'];
}

function outputs({ predicted }: PredictionAnswer): TextParts {
  const [only] = predicted.outputs;
  if (predicted.outputs.length === 1) return ['{"outputs":', ...nestedJson(only!), '}'];
  const members = predicted.outputs.flatMap((output, i) => [`${i === 0 ? '' : ','}${JSON.stringify(output.name)}:`, ...nestedJson(output)]);
  return ['{"outputs":{', ...members, '}}'];
}
