import { namePattern } from './name-pattern.js';
import { findPath, pathTree } from './path-tree.js';
import { invalid, MethodError, RequestError } from './request-error.js';
import { routes } from './routes.js';

/** What an HTTP request is for. Its routes, and who may call them, stand in `routes.ts`. */
export type Endpoint =
  | { readonly kind: 'root' | 'server' | 'live' | 'ready' | 'models' | 'metrics' | 'flush' | 'openapi' }
  | { readonly kind: 'model' | 'modelReady' | 'infer'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'modelConfig' | 'statistics'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'allStatistics' | 'logSettings' | 'changeLogSettings' | 'sharedMemory' | 'v1Models' }
  | { readonly kind: 'traceSettings' | 'changeTraceSettings'; readonly model?: string }
  | { readonly kind: 'repositoryIndex'; readonly repository?: string }
  | {
      readonly kind: 'repositoryLoad' | 'repositoryUnload';
      readonly model: string;
      readonly version: string | null;
      readonly repository?: string;
    }
  | { readonly kind: 'v1Status'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'v1Predict'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'labels' | 'route'; readonly model: string }
  | { readonly kind: 'inferStream' | 'generateStream' | 'generate'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'submitJob'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'job' | 'jobResult' | 'deleteJob'; readonly job: string }
  | InvocationEndpoint
  | ContainerEndpoint;

/** What clients of SageMaker's runtime ask. */
export type InvocationEndpoint =
  | { readonly kind: 'invocations'; readonly model: string }
  | { readonly kind: 'invocationsStream'; readonly model: string }
  | { readonly kind: 'invocationsAsync'; readonly model: string };

/** What SageMaker asks of a container. */
export type ContainerEndpoint =
  | { readonly kind: 'ping' | 'containerInvocations' | 'containerModels' | 'containerLoad' }
  | { readonly kind: 'containerModel' | 'containerUnload' | 'containerInvoke'; readonly model: string };

const tree = pathTree(routes);

/** Endpoints by method and path as they were found before, so that the path of a busy model is taken apart once. */
const seen = new Map<string, Map<string, Endpoint>>();
const maxSeen = 2_000;
const maxSeenLength = 200;

/** Reads method and path. Throws `notFound`, `methodNotAllowed`, or `invalidRequest` for a name that no model can have. */
export function readEndpoint(method: string, url: string): Endpoint {
  const known = seen.get(method)?.get(url);
  if (known !== undefined) return known;
  const endpoint = match(method, url);
  if (url.length <= maxSeenLength) remember(method, { url, endpoint });
  return endpoint;
}

function match(method: string, url: string): Endpoint {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const found = findPath(tree, path);
  if (found === null) throw new RequestError('notFound', `there is nothing at ${path.slice(0, 200)}`);
  // A path that takes a version has none where it is not named.
  const parameters: Record<string, string | null> = { version: null };
  for (const [what, part] of found.parameters) parameters[what] = name(what, part);
  const route = found.methods.get(method === 'HEAD' ? 'GET' : method);
  if (route === undefined) {
    const methods = [...found.methods.keys()];
    throw new MethodError(
      `${method} is not for ${path.slice(0, 200)}: ${methods.join(' and ')} is`,
      methods.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one])),
    );
  }
  // What the union says of a kind's parameters is what its paths name; a test compares them.
  return Object.freeze({ kind: route.kind, ...parameters }) as Endpoint;
}

function remember(method: string, found: { url: string; endpoint: Endpoint }): void {
  let paths = seen.get(method);
  if (paths === undefined) seen.set(method, (paths = new Map()));
  if (paths.size >= maxSeen) paths.clear();
  paths.set(found.url, found.endpoint);
}

function name(what: string, part: string): string {
  let decoded = part;
  if (part.includes('%')) {
    try {
      decoded = decodeURIComponent(part);
    } catch {
      throw invalid(`the ${what} name in the path is not valid percent-encoding`);
    }
  }
  if (!namePattern.test(decoded))
    throw invalid(
      `${JSON.stringify(decoded.slice(0, 128))} is no ${what} name: 1 to 128 letters, digits and any of . _ - are, the first a letter or digit`,
    );
  return decoded;
}
