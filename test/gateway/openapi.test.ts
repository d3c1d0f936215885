import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { readEndpoint } from '../../gateway/http/endpoint.js';
import { findPath, pathTree } from '../../gateway/http/path-tree.js';
import { routes } from '../../gateway/http/routes.js';
import { openApiDocument, parametersOf } from '../../gateway/openapi/document.js';
import { openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  gateway = await stage.serve([{ model: 'demand', version: '1.0.0', onnx: 'linear' }]);
});

type Operation = {
  operationId: string;
  parameters: { name: string; in: string }[];
  requestBody?: { content: object };
  responses: Record<string, object>;
  security?: object[];
};
type Document = { openapi: string; paths: Record<string, Record<string, Operation>>; components: Record<string, object> };

const document = JSON.parse(JSON.stringify(openApiDocument())) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

describe('the OpenAPI document', () => {
  it('has every route of the server, and no other', () => {
    expect(operations.length).toBeGreaterThan(30);
    expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      routes.map(({ method, path }) => `${method} ${path}`).sort(),
    );
  });

  it('has paths that lead where it says, with their parameters', () => {
    for (const { method, path, operation } of operations) {
      const filled = path.replaceAll(/\{(\w+)\}/g, 'some-$1');
      const endpoint = readEndpoint(method, filled) as Record<string, unknown>;
      const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      expect([path, named]).toEqual([path, parametersOf(path)]);
      for (const name of named) expect([path, endpoint[name]]).toEqual([path, `some-${name}`]);
    }
  });

  it('has one id for each operation, and takes a key everywhere but where everybody may call', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations)
      expect([path, operation.security === undefined || operation.security.length === 0]).toEqual([path, true]);
    const open = operations.filter(({ operation }) => operation.security !== undefined).map(({ path }) => path);
    expect(open.sort()).toEqual(['/', '/openapi.json', '/ping', '/v2/health/live', '/v2/health/ready']);
  });

  it('refers only to what it holds', () => {
    const missing: string[] = [];
    JSON.stringify(document, (key, value: unknown) => {
      if (key !== '$ref') return value;
      let at: unknown = document;
      for (const part of (value as string).slice(2).split('/')) at = (at as Record<string, unknown> | undefined)?.[part];
      if (at === undefined) missing.push(value as string);
      return value;
    });
    expect(missing).toEqual([]);
  });

  it('is answered to everybody, and its answers are the ones that come', async () => {
    const response = await fetch(`${gateway.url}/openapi.json`);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual(document);
    for (const { path, method, operation } of operations.filter((one) => one.method === 'GET' && one.path !== '/openapi.json')) {
      const filled = path
        .replace('{model}', 'demand')
        .replace('{version}', '1.0.0')
        .replaceAll(/\{(\w+)\}/g, 'some-$1');
      const answer = await fetch(gateway.url + filled, { method });
      expect([path, Object.keys(operation.responses)]).toEqual([path, expect.arrayContaining([String(answer.status)])]);
      expect([path, answer.status < 500 || answer.status === 501]).toEqual([path, true]);
      await answer.body?.cancel();
    }
  });
});

it.each([
  ['PUT', '/v2/models/demand/infer', 'POST'],
  ['OPTIONS', '/v2/logging', 'GET, HEAD, POST'],
  ['DELETE', '/v2', 'GET, HEAD'],
])('%s %s is answered with the methods that are there', async (method, path, allow) => {
  const response = await fetch(gateway.url + path, { method });
  expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
});

describe('the tree of paths', () => {
  const tree = pathTree(routes);

  it('knows a name from a word of its own, and an action after a colon', () => {
    expect(findPath(tree, '/v2/models/stats')?.parameters).toEqual([]);
    expect(findPath(tree, '/v2/models/statistics')?.parameters).toEqual([['model', 'statistics']]);
    expect(findPath(tree, '/v1/models/a:b:predict')?.parameters).toEqual([['model', 'a:b']]);
    expect(findPath(tree, '/v1/models/a:predict/')?.methods.has('POST')).toBe(true);
  });

  it.each(['', '//', '/v2/nothing', '/v2//models', '/v1/models/a/:predict', '/v2/models/a/versions/', 'v2', '*'])(
    'finds nothing at "%s"',
    (path) => {
      const found = findPath(tree, path);
      // What is found with an empty name is refused by its name.
      expect(found === null || found.parameters.some(([, part]) => part === '')).toBe(true);
    },
  );

  it('does not take two routes for one path', () => {
    expect(() => pathTree([...routes, routes[0]!])).toThrow('GET / is there twice');
  });
});
