import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { access } from './access.js';
import { answers, type Api, type ApiDeps } from './api-deps.js';
import { failureAnswers, tell, unknownRoute, wrongShape } from './failure-answers.js';
import { commandRoutes } from './routes/commands.js';
import { definitionRoutes } from './routes/definitions.js';
import { governanceRoutes } from './routes/governance.js';
import { modelRoutes } from './routes/models.js';
import { objectRoutes, objectsPath } from './routes/objects.js';
import { runRoutes } from './routes/runs.js';
import { versionRoutes } from './routes/versions.js';
import { health } from './schemas.js';

/** A definition is a few kilobytes; a catalogue of two hundred fits. */
const maxBodyBytes = 4 * 1024 * 1024;

const document = {
  openapi: '3.1.0',
  info: {
    title: 'Perennial control API',
    version: '1',
    description:
      'Questions to the registry and commands to the lifecycles of models. Times are epoch milliseconds. A refused command is an answer with its reason (200), not an error.',
  },
} as const;

/**
 * The control API as a Hono app: `serve({ fetch: createApi(deps).fetch })`. JSON in and out; failures are
 * `{"error":{"type","message","details"}}`. Every route but `/api/health` wants the token.
 */
export function createApi(deps: ApiDeps): Api {
  const api: Api = new OpenAPIHono({ defaultHook: wrongShape });
  api.onError(failureAnswers(deps.log));
  api.notFound(unknownRoute);
  api.use(access(deps));
  const limited = bodyLimit({
    maxSize: maxBodyBytes,
    onError: (c) =>
      tell(c, 413, {
        type: 'DataInvalid',
        message: `The body is larger than ${maxBodyBytes} bytes, the most that is taken.`,
        details: { maxBodyBytes },
      }),
  });
  api.use((c, next) => (c.req.path === objectsPath ? next() : limited(c, next)));
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/health',
      tags: ['Health'],
      summary: 'Whether the process lives',
      security: [],
      responses: answers('It lives', health),
    }),
    (c) => c.json({ live: true as const }, 200),
  );
  for (const routes of [modelRoutes, runRoutes, versionRoutes, commandRoutes, governanceRoutes, definitionRoutes, objectRoutes])
    routes(api, deps);
  api.doc31('/api/openapi.json', { ...document, security: [{ token: [] }] });
  return api;
}
