import { createRoute, z } from '@hono/zod-openapi';
import { answers, type Api, type ApiDeps, found, ok, requireModel } from '../api-deps.js';
import { modelClock } from '../model-clock.js';
import { plainRoutes } from '../plain-routes.js';
import { aliasPeriod, liveAt, modelDetails, modelParam, modelStatus, modelSummary, moment, resolved } from '../schemas.js';

/** How long the lifecycle workflow has to answer before the registry answers alone. */
const lifecycleAnswersWithinMs = 2_000;

/** What models there are, how they stand, and who is and was live. */
export function modelRoutes(api: Api, deps: ApiDeps): void {
  const { registry, commands } = deps;
  const tags = ['Models'];
  const { read, readModel } = plainRoutes(api, deps, tags);

  read(
    {
      path: '/api/models',
      summary: 'Models with their aliases and newest run',
      responses: answers('Models by name', z.array(modelSummary)),
    },
    () => registry.models(),
  );

  readModel(
    { path: '/api/models/{model}', summary: 'The active definition', responses: answers('Definition', modelDetails) },
    async (model) => ({
      model,
      ...(await registry.definition(model)),
    }),
  );

  readModel(
    {
      path: '/api/models/{model}/status',
      summary: 'How the model stands; from the registry alone when no worker answers in time',
      responses: answers('Status', modelStatus),
    },
    async (model) => {
      const [status, clock, lifecycle] = await Promise.all([
        registry.status(model),
        modelClock(registry, model),
        commands.status(model, lifecycleAnswersWithinMs),
      ]);
      return {
        ...status,
        ...clock,
        lifecycle: lifecycle.kind === 'answers' ? lifecycle.status.state : null,
        answeredBy: lifecycle.kind,
      };
    },
  );

  readModel(
    {
      path: '/api/models/{model}/aliases',
      summary: 'Who held which alias when',
      responses: answers('Periods, newest first', z.array(aliasPeriod)),
    },
    (model) => registry.aliasHistory(model),
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
