import type { Endpoint } from '../http/endpoint.js';
import { routes } from '../http/routes.js';
import type { GatewayRequest } from '../http/whole-request.js';
import type { TraceEnd } from './request-tracing.js';

/** How a traced HTTP request ended, in the words of OpenTelemetry's conventions for HTTP servers. */
export function httpTraceEnd(request: GatewayRequest, endpoint: Endpoint | null, status: number): TraceEnd {
  const { method = 'GET', url = '/', httpVersion, headers } = request;
  const route = endpoint === null ? null : routeOf(method, endpoint);
  const query = url.indexOf('?');
  return {
    // Without a route the method alone: a path that a caller made up is no name.
    name: route === null ? method : `${method} ${route}`,
    attributes: {
      'http.request.method': method,
      'http.response.status_code': status,
      'url.scheme': 'http',
      'url.path': query < 0 ? url : url.slice(0, query),
      'network.protocol.version': httpVersion,
      ...(route === null ? {} : { 'http.route': route }),
      ...(headers.host === undefined ? {} : { 'server.address': headers.host }),
      ...(headers['user-agent'] === undefined ? {} : { 'user_agent.original': headers['user-agent'] }),
    },
    error: status >= 500 ? String(status) : null,
  };
}

function routeOf(method: string, endpoint: Endpoint): string | null {
  const asked = method === 'HEAD' ? 'GET' : method;
  const isVersioned = 'version' in endpoint && endpoint.version !== null;
  const found = routes.find(
    (route) => route.kind === endpoint.kind && route.method === asked && route.path.includes('{version}') === isVersioned,
  );
  return found?.path ?? null;
}
