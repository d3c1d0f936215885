import type { PredictionAnswer } from '../prediction/predictor.js';
import type { Reply } from '../http/reply.js';
import type { OutputTensor } from '../plans/serving-plan.js';

/**
 * The answer of the Open Inference Protocol, put together by hand: it is on the path of every request. `parameters` tell
 * who answered, and the prediction ids as text (the protocol allows no lists there), one a row, joined by commas.
 */
export function inferReply(answer: PredictionAnswer): Reply {
  const { request, version, ids, predicted } = answer;
  const versionText = JSON.stringify(version.version);
  const wanted = request.outputs;
  let outputs = '';
  for (const output of predicted.outputs) {
    if (wanted !== null && !wanted.some(({ name }) => name === output.name)) continue;
    if (outputs !== '') outputs += ',';
    outputs += `{"name":${JSON.stringify(output.name)},"shape":[${output.shape.join(',')}],"datatype":"${output.datatype}","data":[${elements(output)}]}`;
  }
  const body =
    `{"model_name":${JSON.stringify(version.model)},"model_version":${versionText},"id":${JSON.stringify(request.id ?? ids[0])},` +
    `"parameters":{"variant":"${answer.variant}","model_version":${versionText},"prediction_ids":"${ids.join(',')}"},"outputs":[${outputs}]}`;
  return { status: 200, contentType: 'application/json', body, sent: answer.sent };
}

/** The elements of an output as JSON, separated by commas. */
export function elements(output: OutputTensor): string {
  const { data, datatype } = output;
  if (data.length === 1 && typeof data[0] === 'number' && datatype !== 'BOOL') return String(data[0]);
  return Array.from(data, (value) => element(value, datatype)).join(',');
}

/** One element of an output as JSON. */
export function element(value: number | bigint | string, datatype: string): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return datatype === 'BOOL' ? (value === 0 ? 'false' : 'true') : String(value);
}
