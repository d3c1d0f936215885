import type { Endpoint } from './endpoint.js';

/** Who may call a route: everybody, who may predict, or an administrator alone. */
export type Access = 'open' | 'predict' | 'admin';

/**
 * A path that the gateway answers. `{model}` and `{version}` in a path are names and reach the endpoint under these
 * keys; what follows them after a colon belongs to the path (`{model}:predict`).
 */
export type Route = {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly kind: Endpoint['kind'];
  readonly access: Access;
};

type Action = { readonly method: Route['method']; readonly action: string; readonly kind: Route['kind']; readonly access: Access };

/** An action on a model and the same on one of its versions. */
function ofModel(base: string, { method, action, kind, access }: Action): Route[] {
  return ['', '/versions/{version}'].map((version) => ({ method, path: `${base}${version}${action}`, kind, access }));
}

/** Shared memory is not taken; its routes are here to say so. */
function ofRegion(base: string, { method, action }: Pick<Action, 'method' | 'action'>): Route[] {
  return ['', '/region/{region}'].map((region) => ({ method, path: `${base}${region}${action}`, kind: 'sharedMemory', access: 'predict' }));
}

/** Every route of the gateway's HTTP server. */
export const routes: readonly Route[] = [
  // Where KServe's clients of v1 look whether a server is alive.
  { method: 'GET', path: '/', kind: 'root', access: 'open' },
  { method: 'GET', path: '/v2', kind: 'server', access: 'predict' },
  { method: 'GET', path: '/v2/health/live', kind: 'live', access: 'open' },
  { method: 'GET', path: '/v2/health/ready', kind: 'ready', access: 'open' },
  { method: 'GET', path: '/v2/models', kind: 'models', access: 'predict' },
  ...ofModel('/v2/models/{model}', { method: 'GET', action: '', kind: 'model', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'GET', action: '/ready', kind: 'modelReady', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'POST', action: '/infer', kind: 'infer', access: 'predict' }),
  { method: 'GET', path: '/v2/models/stats', kind: 'allStatistics', access: 'predict' },
  ...ofModel('/v2/models/{model}', { method: 'GET', action: '/stats', kind: 'statistics', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'GET', action: '/config', kind: 'modelConfig', access: 'predict' }),
  ...['/v2/repository', '/v2/repository/{repository}'].flatMap((base): Route[] => [
    { method: 'POST', path: `${base}/index`, kind: 'repositoryIndex', access: 'predict' },
    ...ofModel(`${base}/models/{model}`, { method: 'POST', action: '/load', kind: 'repositoryLoad', access: 'admin' }),
    ...ofModel(`${base}/models/{model}`, { method: 'POST', action: '/unload', kind: 'repositoryUnload', access: 'admin' }),
  ]),
  { method: 'GET', path: '/v2/logging', kind: 'logSettings', access: 'predict' },
  { method: 'POST', path: '/v2/logging', kind: 'changeLogSettings', access: 'admin' },
  ...['/v2', '/v2/models/{model}'].flatMap((base): Route[] => [
    { method: 'GET', path: `${base}/trace/setting`, kind: 'traceSettings', access: 'predict' },
    { method: 'POST', path: `${base}/trace/setting`, kind: 'changeTraceSettings', access: 'admin' },
  ]),
  ...['/v2/systemsharedmemory', '/v2/cudasharedmemory'].flatMap((base): Route[] => [
    ...ofRegion(base, { method: 'GET', action: '/status' }),
    ...ofRegion(base, { method: 'POST', action: '/unregister' }),
    { method: 'POST', path: `${base}/region/{region}/register`, kind: 'sharedMemory', access: 'predict' },
  ]),
  { method: 'POST', path: '/v2/models/{model}/labels', kind: 'labels', access: 'predict' },
  { method: 'GET', path: '/v2/models/{model}/route', kind: 'route', access: 'predict' },
  { method: 'POST', path: '/v2/captures/flush', kind: 'flush', access: 'admin' },
  ...ofModel('/v2/models/{model}', { method: 'POST', action: '/infer_stream', kind: 'inferStream', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'POST', action: '/generate', kind: 'generate', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'POST', action: '/generate_stream', kind: 'generateStream', access: 'predict' }),
  ...ofModel('/v2/models/{model}', { method: 'POST', action: '/jobs', kind: 'submitJob', access: 'predict' }),
  { method: 'GET', path: '/v2/jobs/{job}', kind: 'job', access: 'predict' },
  { method: 'DELETE', path: '/v2/jobs/{job}', kind: 'deleteJob', access: 'predict' },
  { method: 'GET', path: '/v2/jobs/{job}/result', kind: 'jobResult', access: 'predict' },
  { method: 'POST', path: '/endpoints/{model}/async-invocations', kind: 'invocationsAsync', access: 'predict' },
  { method: 'POST', path: '/endpoints/{model}/invocations', kind: 'invocations', access: 'predict' },
  { method: 'POST', path: '/endpoints/{model}/invocations-response-stream', kind: 'invocationsStream', access: 'predict' },
  { method: 'GET', path: '/ping', kind: 'ping', access: 'open' },
  { method: 'POST', path: '/invocations', kind: 'containerInvocations', access: 'predict' },
  { method: 'GET', path: '/models', kind: 'containerModels', access: 'admin' },
  { method: 'POST', path: '/models', kind: 'containerLoad', access: 'admin' },
  { method: 'GET', path: '/models/{model}', kind: 'containerModel', access: 'admin' },
  { method: 'DELETE', path: '/models/{model}', kind: 'containerUnload', access: 'admin' },
  { method: 'POST', path: '/models/{model}/invoke', kind: 'containerInvoke', access: 'predict' },
  { method: 'GET', path: '/v1/models', kind: 'v1Models', access: 'predict' },
  ...ofModel('/v1/models/{model}', { method: 'GET', action: '', kind: 'v1Status', access: 'predict' }),
  ...ofModel('/v1/models/{model}', { method: 'POST', action: ':predict', kind: 'v1Predict', access: 'predict' }),
  { method: 'GET', path: '/openapi.json', kind: 'openapi', access: 'open' },
  { method: 'GET', path: '/metrics', kind: 'metrics', access: 'predict' },
];

const accessByKind: ReadonlyMap<Endpoint['kind'], Access> = new Map(routes.map(({ kind, access }) => [kind, access]));

/** Who may call an endpoint. */
export function accessOf(endpoint: Endpoint): Access {
  return accessByKind.get(endpoint.kind)!;
}
