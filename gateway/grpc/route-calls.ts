import { invalid } from '../http/request-error.js';
import type { UnaryName } from './inference-service.js';
import { wellFormed } from './status.js';

/** A request of the REST protocol that answers the same. */
export type RouteCall = { readonly method: 'GET' | 'POST'; readonly path: string; readonly body?: unknown };

type Message = Record<string, unknown>;

/** A call that a REST route answers: the request as that route takes it, and its JSON as the call's answer. */
export type RoutedRpc = { ask(request: Message): RouteCall; answer(body: unknown): object };

/**
 * The calls beside inference. They are answered by the REST routes' own code, with the same checks of the caller: here is
 * only how one form becomes the other.
 */
export const routedRpcs: Readonly<Record<UnaryName, RoutedRpc>> = {
  ServerLive: { ask: () => get('/v2/health/live'), answer: itself },
  ServerReady: { ask: () => get('/v2/health/ready'), answer: itself },
  ModelReady: { ask: (request) => get(`${modelPath(request)}/ready`), answer: itself },
  ServerMetadata: { ask: () => get('/v2'), answer: itself },
  ModelMetadata: { ask: (request) => get(modelPath(request)), answer: itself },
  ModelConfig: { ask: (request) => get(`${modelPath(request)}/config`), answer: (config) => ({ config }) },
  ModelStatistics: {
    ask: (request) => get(`${request['name'] === '' ? '/v2/models' : modelPath(request)}/stats`),
    answer: itself,
  },
  RepositoryIndex: {
    ask: (request) => post(`${repositoryPath(request)}/index`, { ready: request['ready'] }),
    answer: (models) => ({ models }),
  },
  RepositoryModelLoad: { ask: (request) => repositoryCall(request, 'load'), answer: nothing },
  RepositoryModelUnload: { ask: (request) => repositoryCall(request, 'unload'), answer: nothing },
  SystemSharedMemoryStatus: { ask: (request) => get(`${regionPath('system', request)}/status`), answer: regions },
  SystemSharedMemoryRegister: {
    ask: (request) => post(`${regionPath('system', request)}/register`, pick(request, ['key', 'offset', 'byte_size'])),
    answer: nothing,
  },
  SystemSharedMemoryUnregister: { ask: (request) => post(`${regionPath('system', request)}/unregister`), answer: nothing },
  CudaSharedMemoryStatus: { ask: (request) => get(`${regionPath('cuda', request)}/status`), answer: regions },
  CudaSharedMemoryRegister: {
    ask: (request) =>
      post(`${regionPath('cuda', request)}/register`, {
        raw_handle: { b64: base64(request['raw_handle']) },
        ...pick(request, ['device_id', 'byte_size']),
      }),
    answer: nothing,
  },
  CudaSharedMemoryUnregister: { ask: (request) => post(`${regionPath('cuda', request)}/unregister`), answer: nothing },
  TraceSetting: { ask: traceCall, answer: traceSettings },
  LogSettings: { ask: logCall, answer: logSettings },
};

const get = (path: string): RouteCall => ({ method: 'GET', path });
const post = (path: string, body?: unknown): RouteCall => ({ method: 'POST', path, body });

function itself(body: unknown): object {
  return body as object;
}

function nothing(): object {
  return {};
}

/** A name as a part of a path. An empty one would make another path of it. */
function part(value: unknown): string {
  if (value === '') throw invalid('a name is empty: the name of a model is expected');
  return encodeURIComponent(wellFormed(String(value)));
}

function modelPath({ name, version }: Message): string {
  return `/v2/models/${part(name)}${version === '' ? '' : `/versions/${part(version)}`}`;
}

function repositoryPath({ repository_name: repository }: Message): string {
  return repository === '' ? '/v2/repository' : `/v2/repository/${part(repository)}`;
}

/** The protocol names no version of what is loaded; here a parameter may. */
function repositoryCall(request: Message, action: 'load' | 'unload'): RouteCall {
  const given = new Map(Object.entries(request['parameters'] as Record<string, Message>).map(([key, value]) => [key, choice(value)]));
  const version = given.get('version');
  given.delete('version');
  const path = `${repositoryPath(request)}/models/${part(request['model_name'])}${version === undefined ? '' : `/versions/${part(version)}`}/${action}`;
  if (given.size === 0) return post(path);
  // JSON carries the bytes of a file as base64.
  for (const [key, value] of given) if (value instanceof Uint8Array) given.set(key, base64(value));
  return post(path, { parameters: Object.fromEntries(given) });
}

function regionPath(memory: 'system' | 'cuda', { name }: Message): string {
  return `/v2/${memory}sharedmemory${name === '' ? '' : `/region/${part(name)}`}`;
}

/** A list of regions of the REST answer as the map that gRPC has. */
function regions(body: unknown): object {
  return { regions: Object.fromEntries((body as readonly { name: string }[]).map((region) => [region.name, region])) };
}

function traceCall(request: Message): RouteCall {
  const path = request['model_name'] === '' ? '/v2/trace/setting' : `/v2/models/${part(request['model_name'])}/trace/setting`;
  const settings = Object.entries(request['settings'] as Record<string, { value: string[] }>);
  if (settings.length === 0) return get(path);
  // A setting without a value falls back to the server's, which JSON says with null.
  return post(
    path,
    Object.fromEntries(
      settings.map(([key, { value }]) => [key, value.length === 0 ? null : value.length === 1 && key !== 'trace_level' ? value[0] : value]),
    ),
  );
}

function traceSettings(body: unknown): object {
  const settings = Object.entries(body as Message).map(([key, value]) => [
    key,
    { value: (Array.isArray(value) ? value : [value]).map(String) },
  ]);
  return { settings: Object.fromEntries(settings) as object };
}

function logCall(request: Message): RouteCall {
  const settings = Object.entries(request['settings'] as Record<string, Message>);
  if (settings.length === 0) return get('/v2/logging');
  return post('/v2/logging', Object.fromEntries(settings.map(([key, value]) => [key, choice(value)])));
}

function logSettings(body: unknown): object {
  const settings = Object.entries(body as Message).map(([key, value]) => [
    key,
    typeof value === 'boolean'
      ? { bool_param: value }
      : typeof value === 'number'
        ? { uint32_param: value }
        : { string_param: String(value) },
  ]);
  return { settings: Object.fromEntries(settings) as object };
}

/** The member of a `parameter_choice` that was set. */
function choice(value: Message): unknown {
  return value[String(value['parameter_choice'])];
}

function base64(bytes: unknown): string {
  return Buffer.from(bytes as Uint8Array).toString('base64');
}

function pick(request: Message, names: readonly string[]): Message {
  return Object.fromEntries(names.map((name) => [name, request[name]]));
}
