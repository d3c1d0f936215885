import { parseJsonBody } from '../http/json-body.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { invalid, RequestError } from '../http/request-error.js';
import type { CallParameters, ModelRepository } from '../models/repository.js';
import { isObject, kindOf, quote } from './oip-request.js';

/** What the protocol's model repository extension needs of the repository. */
export type RepositoryDeps = {
  readonly repository: Pick<ModelRepository, 'index' | 'load' | 'unload'>;
  readonly maxJsonDepth: number;
};

/** Name of the one repository there is: the platform's registry. */
const repositoryName = 'perennial';

/** A call on a model of the repository, or on one of its versions. */
export type RepositoryCall = {
  readonly model: string;
  readonly version: string | null;
  readonly repository?: string;
  readonly body: Buffer;
};

/** `POST /v2/repository/index`: every version that is known; with `{"ready":true}` those that answer. */
export function repositoryIndex(deps: RepositoryDeps, call: { readonly repository?: string; readonly body: Buffer }): Reply {
  checkRepository(call.repository);
  const { ready } = readBody(call.body, deps.maxJsonDepth);
  if (ready !== undefined && typeof ready !== 'boolean')
    throw invalid(`Invalid value for 'ready': expected a boolean, found ${kindOf(ready)}`);
  const entries = deps.repository.index();
  return json(200, ready === true ? entries.filter(({ state }) => state === 'READY') : entries);
}

/** `POST /v2/repository/models/{m}[/versions/{v}]/load`. */
export async function repositoryLoad(deps: RepositoryDeps, call: RepositoryCall): Promise<Reply> {
  checkRepository(call.repository);
  await deps.repository.load(call.model, call.version, parametersOf(call.body, deps.maxJsonDepth));
  return json(200, { name: call.model, load: true });
}

/** `POST /v2/repository/models/{m}[/versions/{v}]/unload`. */
export async function repositoryUnload(deps: RepositoryDeps, call: RepositoryCall): Promise<Reply> {
  checkRepository(call.repository);
  await deps.repository.unload(call.model, call.version, parametersOf(call.body, deps.maxJsonDepth));
  return json(200, { name: call.model, unload: true });
}

function checkRepository(name: string | undefined): void {
  if (name !== undefined && name !== repositoryName)
    throw new RequestError(
      'notFound',
      `there is no repository ${quote(name)}: ${repositoryName} is the one there is, and need not be named`,
    );
}

function parametersOf(body: Buffer, maxJsonDepth: number): CallParameters {
  const { parameters } = readBody(body, maxJsonDepth);
  if (parameters === undefined) return {};
  if (!isObject(parameters)) throw invalid(`parameters is ${kindOf(parameters)}: an object is expected`);
  return parameters;
}

/** The object in a body that may be left out. */
function readBody(body: Buffer, maxJsonDepth: number): Record<string, unknown> {
  if (body.length === 0) return {};
  const value = parseJsonBody(body, maxJsonDepth);
  if (!isObject(value)) throw invalid(`the request is ${kindOf(value)}: a JSON object is expected`);
  return value;
}
