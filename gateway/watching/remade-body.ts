import { halfNumber } from '../models/half.js';
import { element } from '../oip/oip-response.js';
import type { OutputTensor, Prepared, ServingPlan } from '../plans/serving-plan.js';
import { datatypeOf } from '../models/tensors.js';
import type { ObservedBody } from './capture-lines.js';
import type { Redactor } from './redaction.js';

const contentType = 'application/json';

/**
 * The inputs of a request as Open Inference Protocol JSON, made from what the gateway has read of it: for requests whose
 * body must not be kept, or was never seen as a body. What a rule leaves of a value stands as text (BYTES).
 */
export function remadeInput(plan: ServingPlan, prepared: Prepared, redactor: Redactor | null): ObservedBody {
  const inputs = plan.inputs.map(({ name, datatype }) => {
    const tensor = prepared.feeds[name];
    return tensor !== undefined && datatypeOf(tensor.type) === datatype
      ? tensorText({ name, datatype, shape: tensor.dims, data: tensor.data }, redactor)
      : fieldText({ name, datatype }, prepared.records, redactor);
  });
  return { contentType, body: `{"inputs":[${inputs.filter((text) => text !== null).join(',')}]}` };
}

/** The outputs of an answer in the same form. */
export function remadeOutput(outputs: readonly OutputTensor[]): ObservedBody {
  return { contentType, body: `{"outputs":[${outputs.map((output) => tensorText(output, null)).join(',')}]}` };
}

/** A field of a model with features: one value a row. */
function fieldText(field: { name: string; datatype: string }, records: Prepared['records'], redactor: Redactor | null): string | null {
  const { name } = field;
  if (redactor?.has(name) !== true)
    return textOf(
      field,
      [records.length],
      records.map((record) => JSON.stringify(record[name] ?? null)),
    );
  return redactedText(
    name,
    [records.length],
    records.map((record) => redactor.value(name, record[name] ?? null)),
  );
}

function tensorText(tensor: OutputTensor, redactor: Redactor | null): string | null {
  const { name, datatype, shape, data } = tensor;
  const values = Array.from(data, (value) => (datatype === 'FP16' ? halfNumber(Number(value)) : value));
  // The bits were made numbers: as such they have a form in JSON.
  const written = datatype === 'FP16' ? 'FP32' : datatype;
  if (redactor?.has(name) !== true)
    return textOf(
      tensor,
      shape,
      values.map((value) => element(value, written)),
    );
  return redactedText(
    name,
    shape,
    values.map((value) => redactor.value(name, typeof value === 'bigint' ? String(value) : value)),
  );
}

function redactedText(name: string, shape: readonly number[], values: readonly unknown[]): string | null {
  if (values.some((value) => value === undefined)) return null;
  return textOf(
    { name, datatype: 'BYTES' },
    shape,
    values.map((value) => JSON.stringify(String(value))),
  );
}

function textOf(of: { name: string; datatype: string }, shape: readonly number[], elements: readonly string[]): string {
  return `{"name":${JSON.stringify(of.name)},"shape":[${shape.join(',')}],"datatype":"${of.datatype}","data":[${elements.join(',')}]}`;
}
