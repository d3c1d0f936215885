import type { Rows } from '../prediction/answer-rows.js';
import { textInTurns } from '../prediction/answer-rows.js';
import type { PredictionAnswer } from '../prediction/predictor.js';
import type { Reply } from '../http/reply.js';
import { invalid } from '../http/request-error.js';
import type { OutputTensor, ServingPlan } from '../plans/serving-plan.js';
import { classified } from './classification.js';
import type { InferRequest } from './oip-request.js';
import { quote } from './oip-request.js';
import { rawBytes } from './raw-output.js';

/**
 * The answer of the Open Inference Protocol, put together by hand: it is on the path of every request. `parameters` tell
 * who answered, and the prediction ids as text (the protocol allows no lists there), one a row, joined by commas. Outputs
 * that were asked for as binary data follow the JSON as bytes, in their order.
 */
export function inferReply(answer: PredictionAnswer, written: WrittenParts | null = null): Reply {
  const { request, version, ids, predicted } = answer;
  const wanted = request.outputs;
  const binaryByDefault = request.parameters['binary_data_output'] === true;
  let outputs = '';
  let raws: Uint8Array[] | null = null;
  for (const predictedOutput of predicted.outputs) {
    let output = predictedOutput;
    let binary = binaryByDefault;
    if (wanted !== null) {
      const asked = wanted.find(({ name }) => name === predictedOutput.name);
      if (asked === undefined) continue;
      binary = asked.binary ?? binaryByDefault;
      if (asked.classification > 0)
        output = classified(output, { count: asked.classification, perRow: hasRows(version.plan, output.name) });
    }
    if (outputs !== '') outputs += ',';
    outputs += `{"name":${named(output.name)},"shape":[${output.shape.join(',')}],"datatype":"${output.datatype}",`;
    if (binary) {
      const raw = rawBytes(output);
      (raws ??= []).push(raw);
      outputs += `"parameters":{"binary_data_size":${raw.length}}}`;
    } else outputs += `"data":[${written?.elements.get(output) ?? elements(output)}]}`;
  }
  const body =
    `{"model_name":${named(version.model)},"model_version":${named(version.version)},"id":${request.id === null ? `"${ids[0]}"` : JSON.stringify(request.id)},` +
    `"parameters":{"variant":"${answer.variant}","model_version":${named(version.version)},"prediction_ids":"${written?.ids ?? ids.join(',')}"${answer.cached ? ',"cached":true' : ''}},"outputs":[${outputs}]}`;
  if (raws === null) return { status: 200, contentType: 'application/json', body, sent: answer.sent };
  const head = Buffer.from(body);
  return {
    status: 200,
    contentType: 'application/octet-stream',
    body: Buffer.concat([head, ...raws]),
    headers: { 'Inference-Header-Content-Length': String(head.length) },
    sent: answer.sent,
  };
}

/** What of an answer was written down before. */
type WrittenParts = { readonly ids: string; readonly elements: ReadonlyMap<OutputTensor, string> };

/** The same for a long answer: what is long in it is written piece by piece in turns of its own. */
export async function inferReplyInTurns(answer: PredictionAnswer): Promise<Reply> {
  const { request, ids, predicted } = answer;
  const texts = new Map<OutputTensor, string>();
  for (const output of predicted.outputs) if (isText(output, request)) texts.set(output, await textInTurns([elementRows(output)]));
  return inferReply(answer, { ids: await textInTurns([idRows(ids)]), elements: texts });
}

/** Whether the elements of an output are told as text, as they are. What has no form as text is refused where it is written. */
function isText({ name, datatype }: OutputTensor, { outputs, parameters }: InferRequest): boolean {
  if (datatype === 'FP16') return false;
  const asked = outputs?.find((output) => output.name === name);
  if (outputs !== null && asked === undefined) return false;
  return !(asked?.binary ?? parameters['binary_data_output'] === true) && (asked === undefined || asked.classification === 0);
}

const names = new Map<string, string>();
const mostNames = 10_000;

/** A name of ours as JSON: the same few are asked for again and again. */
function named(name: string): string {
  let text = names.get(name);
  if (text === undefined) {
    if (names.size >= mostNames) names.clear();
    names.set(name, (text = JSON.stringify(name)));
  }
  return text;
}

/** Whether the first dimension of an output is one that the request chooses. */
export function hasRows(plan: ServingPlan, name: string): boolean {
  return plan.outputs.find((output) => output.name === name)?.shape[0] === -1;
}

/** The elements of an output as JSON, separated by commas. */
export function elements(output: OutputTensor): string {
  const { data, datatype } = output;
  switch (datatype) {
    case 'BYTES':
    case 'BOOL':
      return Array.from(data, (value) => element(value, datatype)).join(',');
    case 'FP16':
      throw invalid(`output ${quote(output.name)} is FP16, which has no JSON form: ask for it with "binary_data": true`);
    default:
      return data.length === 1 ? String(data[0]) : Array.prototype.join.call(data, ',');
  }
}

/** The same one by one. */
export function elementRows({ data, datatype }: OutputTensor): Rows {
  return { rows: data.length, between: ',', write: (at) => element(data[at]!, datatype) };
}

/** The ids of an answer, one by one. */
export function idRows(ids: readonly string[]): Rows {
  return { rows: ids.length, between: ',', write: (row) => ids[row]! };
}

/** One element of an output as JSON. */
export function element(value: number | bigint | string, datatype: string): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (datatype === 'FP16') throw invalid('an output is FP16, which has no form as text: ask for binary data');
  return datatype === 'BOOL' ? (value === 0 ? 'false' : 'true') : String(value);
}
