import { PerennialError } from '../../domain/errors.js';
import type { RequestField } from '../../domain/model-definition.js';
import { bearer } from '../client/gateway-client.js';
import { httpJson } from '../client/http-json.js';
import type { CliContext } from './context.js';

type Metadata = { readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[] };

/**
 * The fields that a request of a model has: by its definition, or by what the gateway serves while the control API or its
 * Postgres is away. The gateway predicts without either. The API's failure is thrown where the gateway does not know too.
 */
export async function requestFields(context: CliContext, model: string): Promise<readonly Pick<RequestField, 'name' | 'datatype'>[]> {
  try {
    return (await context.api().model(model)).definition.serving.request;
  } catch (error) {
    if (!(error instanceof PerennialError) || error.type !== 'Unavailable') throw error;
    const fields = await servedFields(context, model).catch(() => null);
    if (fields === null) throw error;
    return fields;
  }
}

/** Null where its requests are not rows of fields. */
async function servedFields(context: CliContext, model: string) {
  const { inputs } = await httpJson<Metadata>({
    what: 'the gateway',
    url: new URL(`/v2/models/${encodeURIComponent(model)}`, context.gatewayUrl()),
    headers: bearer(context.gatewayToken()),
    timeoutMs: 10_000,
  });
  if (inputs.some(({ shape }) => shape.length !== 1)) return null;
  return inputs.map(({ name, datatype }) => ({ name, datatype: datatype as RequestField['datatype'] }));
}
