import { parseJsonBody } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import { checkReserved, isObject, kindOf, quote } from '../oip/oip-request.js';
import type { InferRequest, RequestInput } from '../oip/oip-request.js';
import { elementRows, idRows } from '../oip/oip-response.js';
import type { Signature } from '../plans/serving-plan.js';
import type { Rows, TextParts } from '../prediction/answer-rows.js';
import { textOf } from '../prediction/answer-rows.js';
import type { PredictionAnswer } from '../prediction/predictor.js';

/**
 * A request of the generate extension: one JSON object whose keys are the model's inputs, a value for one row or a list
 * for several. `id` and `parameters` are those of an inference request; another key with a plain value is a parameter.
 */
export function fromGenerate(body: unknown, plan: Signature): InferRequest {
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: a JSON object with the model's inputs as keys is expected`);
  const { id, parameters = {}, ...values } = body;
  if (id !== undefined && typeof id !== 'string') throw invalid(`id is ${kindOf(id)}: text is expected`);
  if (!isObject(parameters)) throw invalid(`parameters is ${kindOf(parameters)}: an object is expected`);
  const given: Record<string, string | number | boolean> = {};
  const inputs: RequestInput[] = [];
  for (const { name, datatype, shape } of plan.inputs) {
    if (Object.hasOwn(values, name)) inputs.push(inputOf({ name, datatype, depth: shape.length }, values[name]));
  }
  const more = Object.entries(values).filter(([key]) => !plan.inputs.some(({ name }) => name === key));
  for (const [key, value] of [...more, ...Object.entries(parameters)]) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      const names = plan.inputs.map(({ name }) => name).join(', ');
      throw invalid(
        `${quote(key)} is ${kindOf(value)}, and no input: the model takes ${names}; a parameter is text, a number or a boolean`,
      );
    }
    given[key] = value;
  }
  checkReserved(given);
  return { id: id ?? null, parameters: given, inputs, outputs: null };
}

function inputOf({ name, datatype, depth }: { name: string; datatype: string; depth: number }, value: unknown): RequestInput {
  const sizes: number[] = [];
  for (let part = value; Array.isArray(part); part = part[0] as unknown) sizes.push(part.length);
  if (sizes.length === depth) return { name, datatype, shape: sizes, data: value };
  if (sizes.length === depth - 1) return { name, datatype, shape: [1, ...sizes], data: [value] };
  throw invalid(`${quote(name)} is nested ${sizes.length} deep: ${depth - 1} is expected for one row, ${depth} for several`);
}

/** The same from its text. Throws a `RequestError`. */
export function readGenerate(body: Uint8Array, plan: Signature, maxJsonDepth: number): InferRequest {
  return fromGenerate(parseJsonBody(body, maxJsonDepth), plan);
}

/** An answer of the generate extension: the outputs as keys, an output of one element as its value. */
export function generateText(answer: PredictionAnswer): string {
  return textOf(generateParts(answer));
}

/** The same as the parts of its text. */
export function generateParts({ request, version, variant, ids, predicted }: PredictionAnswer): TextParts {
  const parts: (string | Rows)[] = [
    `{"model_name":${JSON.stringify(version.model)},"model_version":${JSON.stringify(version.version)},` +
      `"id":${JSON.stringify(request.id ?? ids[0])},"parameters":{"variant":"${variant}","prediction_ids":"`,
    idRows(ids),
    '"}',
  ];
  for (const output of predicted.outputs) {
    const isOne = output.data.length === 1;
    parts.push(`,${JSON.stringify(output.name)}:${isOne ? '' : '['}`, elementRows(output), isOne ? '' : ']');
  }
  parts.push('}');
  return parts;
}
