import type { RequestField } from '../../domain/model-definition.js';
import { PerennialError } from '../../domain/errors.js';
import { httpJson } from './http-json.js';

/** One question: a value for each request field of the model. */
export type Row = Readonly<Record<string, number | string | boolean>>;
/** A tensor of the Open Inference Protocol v2. */
export type InferenceInput = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly unknown[];
};

export type Prediction = {
  /** Of each row, by which its label is posted later. */
  readonly ids: readonly string[];
  readonly model: string;
  /** The version that answered. */
  readonly version: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly data: readonly unknown[];
  }[];
  readonly parameters: Readonly<Record<string, unknown>>;
};

export type PredictOptions = {
  /** Sticky key of the caller: the same key meets the same variant while a rollout's share grows. */
  readonly key?: string;
  /** One version, whatever the routing says. */
  readonly version?: string;
  /** A key of the gateway, for one that wants its callers to show one. */
  readonly token?: string;
  readonly timeoutMs?: number;
};

type WireAnswer = {
  id: string;
  model_name: string;
  model_version: string;
  outputs: Prediction['outputs'];
  parameters?: { prediction_ids?: string } & Record<string, unknown>;
};

/** Asks the gateway. `DataInvalid` names the field that is wrong, `Conflict` an unknown model, `Unavailable` when it is away. */
export async function predict(
  gatewayUrl: string,
  model: string,
  { inputs, key, version, token, timeoutMs = 10_000 }: { inputs: readonly InferenceInput[] } & PredictOptions,
): Promise<Prediction> {
  const of = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;
  const answer = await httpJson<WireAnswer>({
    what: 'the gateway',
    url: new URL(`/v2/models/${encodeURIComponent(model)}${of}/infer`, gatewayUrl),
    method: 'POST',
    headers: bearer(token),
    body: { inputs, ...(key === undefined ? {} : { parameters: { key } }) },
    timeoutMs,
  });
  return {
    ids: (answer.parameters?.prediction_ids ?? answer.id).split(','),
    model: answer.model_name,
    version: answer.model_version,
    outputs: answer.outputs,
    parameters: answer.parameters ?? {},
  };
}

/** The header by which the gateway knows its caller; none for one that answers everybody. */
export function bearer(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** Rows as tensors in the model's own datatypes. `DataInvalid` names a field that a row lacks or that the model does not know. */
export function inputsOf(fields: readonly Pick<RequestField, 'name' | 'datatype'>[], rows: readonly Row[]): InferenceInput[] {
  if (fields.length === 0)
    throw new PerennialError(
      'DataInvalid',
      'The model has no request fields: its callers send the tensors of its file, {"inputs":[{"name","datatype","shape","data"}]}. GET /v2/models/<model> of the gateway names them.',
    );
  if (rows.length === 0) throw new PerennialError('DataInvalid', 'There is no row to predict: give at least one.');
  const known = new Set(fields.map(({ name }) => name));
  rows.forEach((row, index) => {
    const unknown = Object.keys(row).filter((name) => !known.has(name));
    if (unknown.length > 0) throw wrongRow(index, `has ${unknown.join(', ')}, which the model does not know`, fields);
  });
  return fields.map(({ name, datatype }) => ({
    name,
    datatype,
    shape: [rows.length],
    data: rows.map((row, index) => {
      const value = row[name];
      if (value === undefined) throw wrongRow(index, `lacks ${name}`, fields);
      return value;
    }),
  }));
}

const wrongRow = (index: number, what: string, fields: readonly Pick<RequestField, 'name' | 'datatype'>[]): PerennialError =>
  new PerennialError(
    'DataInvalid',
    `Row ${index} ${what}. The fields are ${fields.map((field) => `${field.name} (${field.datatype})`).join(', ')}.`,
  );
