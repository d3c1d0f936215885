import { invalid, RequestError } from './request-error.js';

/** What an HTTP request is for. */
export type Endpoint =
  | { readonly kind: 'server' | 'live' | 'ready' | 'models' | 'metrics' | 'flush' }
  | { readonly kind: 'model' | 'modelReady' | 'infer'; readonly model: string; readonly version: string | null }
  | { readonly kind: 'labels' | 'route'; readonly model: string }
  | { readonly kind: 'invocations'; readonly model: string };

const allowedName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const posts: ReadonlySet<Endpoint['kind']> = new Set(['infer', 'labels', 'flush', 'invocations']);

/** Reads method and path. Throws `notFound`, `methodNotAllowed`, or `invalidRequest` for a name that no model can have. */
export function readEndpoint(method: string, url: string): Endpoint {
  const query = url.indexOf('?');
  const path = query < 0 ? url : url.slice(0, query);
  const endpoint = match(path.split('/').slice(1));
  if (endpoint === null) throw new RequestError('notFound', `there is nothing at ${path.slice(0, 200)}`);
  const isPost = posts.has(endpoint.kind);
  if (isPost ? method !== 'POST' : method !== 'GET' && method !== 'HEAD') {
    throw new RequestError('methodNotAllowed', `${method} is not for ${path.slice(0, 200)}: ${isPost ? 'POST' : 'GET'} is`);
  }
  return endpoint;
}

function match(parts: string[]): Endpoint | null {
  // A slash at the end means the same.
  if (parts.length > 1 && parts.at(-1) === '') parts.pop();
  if (parts[0] === 'v2') return matchV2(parts);
  if (parts[0] === 'endpoints' && parts.length === 3 && parts[2] === 'invocations')
    return { kind: 'invocations', model: name('endpoint', parts[1]!) };
  return parts[0] === 'metrics' && parts.length === 1 ? { kind: 'metrics' } : null;
}

function matchV2(parts: readonly string[]): Endpoint | null {
  const [, area, first, second, third, fourth] = parts;
  if (parts.length === 1) return { kind: 'server' };
  if (area === 'health' && parts.length === 3) return first === 'live' ? { kind: 'live' } : first === 'ready' ? { kind: 'ready' } : null;
  if (area === 'captures') return parts.length === 3 && first === 'flush' ? { kind: 'flush' } : null;
  if (area !== 'models') return null;
  if (first === undefined) return { kind: 'models' };
  const model = name('model', first);
  if (second === 'versions' && third !== undefined && parts.length <= 6)
    return forVersion({ model, version: name('version', third) }, fourth);
  if (parts.length > 4) return null;
  if (second === 'labels' || second === 'route') return { kind: second, model };
  return forVersion({ model, version: null }, second);
}

function forVersion(of: { model: string; version: string | null }, action: string | undefined): Endpoint | null {
  if (action === undefined) return { kind: 'model', ...of };
  if (action === 'ready') return { kind: 'modelReady', ...of };
  return action === 'infer' ? { kind: 'infer', ...of } : null;
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
  if (!allowedName.test(decoded))
    throw invalid(
      `${JSON.stringify(decoded.slice(0, 128))} is no ${what} name: 1 to 128 letters, digits and any of . _ - are, the first a letter or digit`,
    );
  return decoded;
}
