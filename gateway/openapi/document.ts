import { namePattern } from '../http/name-pattern.js';
import type { Route } from '../http/routes.js';
import { routes } from '../http/routes.js';
import type { Bodies, Operation } from './operation.js';
import { operations } from './operations.js';
import { ref, schemas } from './schemas.js';

/** Statuses of errors, with when they come. */
const errors: Readonly<Record<number, string>> = {
  400: 'The request breaks the protocol or the signature of the model: the message names the place',
  401: 'The caller shows no key or token, or one that does not count',
  403: "The caller's key is for other calls",
  404: 'There is no such model, version or path',
  405: 'Another method is for this path',
  409: 'There is another one of that name, or it is not done yet',
  415: 'The content type or encoding is not taken',
  424: 'The model failed to answer',
  429: 'Too many requests: Retry-After says when to come again',
  499: 'The caller has gone before the answer',
  500: 'The model or the gateway failed to answer',
  501: 'This is not implemented, and never answered otherwise',
  503: 'Nothing can answer yet, or too much waits already: Retry-After says when to come again',
  504: 'The answer took longer than it may',
  507: 'There is no room for another model',
};

const names: Readonly<Record<string, string>> = {
  model: 'Name of a model',
  version: 'A version of the model; without it the route decides',
  repository: 'Name of the repository: perennial',
  region: 'Name of a memory region',
  job: 'Id of a job',
};

let made: string | undefined;

/** The OpenAPI 3.1 document of the gateway as JSON, made of its routes and of what is said about each kind of endpoint. */
export function openApiText(): string {
  return (made ??= JSON.stringify(openApiDocument()));
}

export function openApiDocument() {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route, operations[route.kind]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Perennial gateway',
      version: '2.0.0',
      description: 'The Open Inference Protocol v2 with its extensions, TensorFlow Serving v1, and the runtime of SageMaker.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ bearer: [] }, { apiKey: [] }, { sigv4: [] }],
    paths,
    components: {
      schemas,
      responses: {
        ...Object.fromEntries(Object.entries(errors).map(([status, text]) => [status, errorAnswer(text, 'Error')])),
        ...Object.fromEntries(
          Object.entries(errors).map(([status, text]) => [`sagemaker-${status}`, errorAnswer(text, 'InvocationError')]),
        ),
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A key or a JSON Web Token; not needed while nobody has one on loopback' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
        sigv4: { type: 'apiKey', in: 'header', name: 'Authorization', description: "AWS's Signature Version 4 for the service sagemaker" },
      },
    },
  };
}

function operationOf(route: Route, operation: Operation) {
  const { tag, summary, request, headers = {}, answers } = operation;
  const body = request ?? (operation.optionalBody === true && route.method === 'POST' ? { 'application/json': {} } : undefined);
  const errorPrefix = operation.sagemakerErrors === true ? 'sagemaker-' : '';
  const told = Object.keys(errors).filter((status) => answers[Number(status)] === undefined);
  return {
    operationId: operationId(route),
    tags: [tag],
    summary,
    ...(route.access === 'open' ? { security: [] } : {}),
    ...(route.access === 'admin' ? { description: 'For administrators.' } : {}),
    parameters: [
      ...parametersOf(route.path).map((name) => ({
        name,
        in: 'path',
        required: true,
        description: names[name],
        schema: { type: 'string', pattern: namePattern.source },
      })),
      ...Object.entries(headers).map(([name, description]) => ({
        name,
        in: 'header',
        required: false,
        description,
        schema: { type: 'string' },
      })),
    ],
    ...(body === undefined ? {} : { requestBody: { required: operation.optionalBody !== true, content: content(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, bodies]) => [status, { description: summary, content: content(bodies) }]),
      ),
      ...Object.fromEntries(told.map((status) => [status, { $ref: `#/components/responses/${errorPrefix}${status}` }])),
    },
  };
}

function errorAnswer(description: string, schema: 'Error' | 'InvocationError') {
  return { description, content: content({ 'application/json': ref(schema) }) };
}

function content(bodies: Bodies) {
  return Object.fromEntries(Object.entries(bodies).map(([mediaType, schema]) => [mediaType, { schema }]));
}

/** Names in braces of a path, in their order. */
export function parametersOf(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
}

/** A name for one method of one path: what its words say, one after the other. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  if (words.length === 0) return `${method.toLowerCase()}Root`;
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}
