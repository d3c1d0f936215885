import type { IncomingHttpHeaders } from 'node:http';
import type { ContainerModels } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { ContainerEndpoint } from '../http/endpoint.js';
import { parseJsonBody } from '../http/json-body.js';
import { namePattern } from '../http/name-pattern.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import { isObject, kindOf } from '../oip/oip-request.js';
import type { InvocationCall, InvocationDeps } from './sagemaker-endpoint.js';
import { invoke } from './sagemaker-endpoint.js';

/** How a gateway stands in for a SageMaker container: with one model from the start, or with those that it is told to load. */
export type ContainerMode = {
  readonly models: ContainerModels;
  /** The only model; null where SageMaker loads and unloads them. */
  readonly only: string | null;
};

export type ContainerDeps = Omit<InvocationDeps, 'predictor'> & {
  readonly predictor: InvocationDeps['predictor'];
  /** Null for a gateway that is no container. */
  readonly mode: ContainerMode | null;
  /** Memory that the loaded models may take together. */
  readonly memoryBudgetBytes: number;
  readonly ready: () => boolean;
};

export type ContainerCall = Omit<InvocationCall, 'model' | 'body'> & { readonly url: string; readonly body: () => Promise<Buffer> };

/** Models of one page of `GET /models`. */
const pageSize = 100;

/** What SageMaker asks of a container: health, predictions, and (multi-model) loading and unloading. */
export async function answerContainer(deps: ContainerDeps, endpoint: ContainerEndpoint, call: ContainerCall): Promise<Reply> {
  const { mode } = deps;
  if (mode === null)
    throw new RequestError('notFound', 'this gateway is no SageMaker container: its models are at /v2/models and /endpoints');
  switch (endpoint.kind) {
    case 'ping':
      return ping(deps, mode);
    case 'containerInvocations':
      if (mode.only === null) throw new RequestError('notFound', 'this container holds many models: call POST /models/{name}/invoke');
      return predict(deps, mode.only, call);
    case 'containerInvoke':
      return predict(deps, loaded(mode, endpoint.model).name, call);
    case 'containerModels':
      return page(mode, new URLSearchParams(call.url.split('?')[1] ?? '').get('next_page_token'));
    case 'containerModel':
      return json(200, told(loaded(mode, endpoint.model)));
    case 'containerLoad':
      return load(deps, mode, parseJsonBody(await call.body(), deps.maxJsonDepth));
    case 'containerUnload':
      loaded(mode, endpoint.model);
      if (endpoint.model === mode.only) throw invalid(`${endpoint.model} is the model that this container was made for`);
      mode.models.remove(endpoint.model);
      return json(200, { modelName: endpoint.model });
  }
}

/** Healthy when the model can be asked; a container of many models is so without any. */
function ping({ tables, ready }: ContainerDeps, { only }: ContainerMode): Reply {
  const isReady = only === null ? ready() : (tables.get(only)?.champion ?? null) !== null;
  return json(isReady ? 200 : 503, { status: isReady ? 'healthy' : 'loading' });
}

/** The headers that choose a model or a variant have done their work before the call came here. */
async function predict(deps: ContainerDeps, model: string, call: ContainerCall): Promise<Reply> {
  const headers: IncomingHttpHeaders = { ...call.headers };
  for (const name of ['target-model', 'target-variant', 'target-container-hostname', 'inference-component'])
    delete headers[`x-amzn-sagemaker-${name}`];
  return invoke(deps, { model, headers, body: await call.body(), arrivedMs: call.arrivedMs, cancel: call.cancel });
}

async function load({ tables, memoryBudgetBytes }: ContainerDeps, mode: ContainerMode, body: unknown): Promise<Reply> {
  if (!isObject(body)) throw invalid(`the request is ${kindOf(body)}: an object with "model_name" and "url" is expected`);
  const { model_name: name, url } = body;
  if (typeof name !== 'string' || !namePattern.test(name))
    throw invalid('model_name is no name: 1 to 128 letters, digits and any of . _ - are');
  if (typeof url !== 'string' || url === '') throw invalid('url is missing: the folder of a package is expected');
  if (mode.only !== null) throw invalid(`this container holds one model, ${mode.only}: set SAGEMAKER_MULTI_MODEL=true for many`);
  try {
    await mode.models.add(name, url);
  } catch (error) {
    if (error instanceof PerennialError && error.type === 'Conflict') throw new RequestError('conflict', error.message);
    throw error;
  }
  let bytes = 0;
  for (const model of mode.models.list())
    for (const version of tables.get(model.name)?.versions.values() ?? []) bytes += version.placed.bytes;
  if (bytes > memoryBudgetBytes) {
    // SageMaker unloads others then, and asks again.
    mode.models.remove(name);
    throw new RequestError('noRoom', `${name} does not fit: ${bytes} bytes would be loaded, at most ${memoryBudgetBytes} are allowed`);
  }
  return json(200, { modelName: name, modelUrl: url });
}

function loaded({ models }: ContainerMode, name: string): { name: string; url: string } {
  const found = models.list().find((model) => model.name === name);
  if (found === undefined) throw new RequestError('notFound', `model ${name} is not loaded`);
  return found;
}

/** A page goes on after the name that its token holds; pages are in the order of names. */
function page({ models }: ContainerMode, token: string | null): Reply {
  const after = token === null ? '' : Buffer.from(token, 'base64url').toString('utf8');
  const rest = [...models.list()].sort((a, b) => (a.name < b.name ? -1 : 1)).filter(({ name }) => name > after);
  const here = rest.slice(0, pageSize);
  const more = rest.length > here.length ? { nextPageToken: Buffer.from(here.at(-1)!.name).toString('base64url') } : {};
  return json(200, { models: here.map(told), ...more });
}

function told({ name, url }: { readonly name: string; readonly url: string }) {
  return { modelName: name, modelUrl: url };
}
