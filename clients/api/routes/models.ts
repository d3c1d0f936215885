import { createRoute, z } from '@hono/zod-openapi';
import { answers, type Api, type ApiDeps, ok, requireModel } from '../api-deps.js';
import { modelClock } from '../model-clock.js';
import { aliasPeriod, liveAt, modelDetails, modelParam, modelStatus, modelSummary, moment, resolved } from '../schemas.js';
import { found } from '../api-deps.js';

/** How long the lifecycle workflow has to answer before the registry answers alone. */
const lifecycleAnswersWithinMs = 2_000;

/** What models there are, how they stand, and who is and was live. */
export function modelRoutes(api: Api, deps: ApiDeps): void {
  const { registry, commands } = deps;
  const tags = ['Models'];

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models',
      tags,
      summary: 'Models with their aliases and newest run',
      responses: answers('Models by name', z.array(modelSummary)),
    }),
    async (c) => ok(c, await registry.models()),
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}',
      tags,
      summary: 'The active definition',
      request: { params: modelParam },
      responses: answers('Definition', modelDetails),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      return ok(c, { model, ...(await registry.definition(model)) });
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/status',
      tags,
      summary: 'How the model stands; from the registry alone when no worker answers in time',
      request: { params: modelParam },
      responses: answers('Status', modelStatus),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      const [status, clock, lifecycle] = await Promise.all([
        registry.status(model),
        modelClock(registry, model),
        commands.status(model, lifecycleAnswersWithinMs),
      ]);
      return ok(c, {
        ...status,
        ...clock,
        lifecycle: lifecycle.kind === 'answers' ? lifecycle.status.state : null,
        answeredBy: lifecycle.kind,
      });
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/aliases',
      tags,
      summary: 'Who held which alias when',
      request: { params: modelParam },
      responses: answers('Periods, newest first', z.array(aliasPeriod)),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      return ok(c, await registry.aliasHistory(model));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/live',
      tags,
      summary: 'Who was live at a moment of wall time',
      request: { params: modelParam, query: z.object({ at: moment }) },
      responses: answers('Champion then', liveAt),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      const { at: atMs } = c.req.valid('query');
      await requireModel(deps, model);
      return ok(c, { model, atMs, version: await registry.championAt(model, atMs) });
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/resolve',
      tags,
      summary: 'The version behind a model URI, now or (an alias) at a past moment',
      request: { query: z.object({ uri: z.string().openapi({ example: 'models:/demand-forecast@champion' }), at: moment.optional() }) },
      responses: answers('Version', resolved),
    }),
    async (c) => {
      const { uri, at } = c.req.valid('query');
      return ok(c, await found(() => registry.resolve(uri, at)));
    },
  );
}
