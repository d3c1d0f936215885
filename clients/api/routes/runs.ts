import { createRoute, z } from '@hono/zod-openapi';
import { answers, type Api, type ApiDeps, found, ok, requireModel } from '../api-deps.js';
import { limit, metricPoint, modelParam, runDetails, runParam, runSummary } from '../schemas.js';

/** Runs with their steps, trials and tracked metrics. */
export function runRoutes(api: Api, deps: ApiDeps): void {
  const { registry } = deps;
  const tags = ['Runs'];

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/runs',
      tags,
      summary: 'Runs, newest first',
      request: { query: z.object({ model: z.string().optional(), limit }) },
      responses: answers('Runs', z.array(runSummary)),
    }),
    async (c) => {
      const { model, limit: most } = c.req.valid('query');
      if (model !== undefined) await requireModel(deps, model);
      return ok(c, await registry.runs({ ...(model === undefined ? {} : { model }), ...(most === undefined ? {} : { limit: most }) }));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/runs',
      tags,
      summary: 'Runs of a model, newest first',
      request: { params: modelParam, query: z.object({ limit }) },
      responses: answers('Runs', z.array(runSummary)),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      const { limit: most } = c.req.valid('query');
      await requireModel(deps, model);
      return ok(c, await registry.runs({ model, ...(most === undefined ? {} : { limit: most }) }));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/runs/{run}',
      tags,
      summary: 'All that is known of a run: steps, trials, metrics, result',
      request: { params: runParam },
      responses: answers('Run', runDetails),
    }),
    async (c) => {
      const of = c.req.valid('param');
      await requireModel(deps, of.model);
      return ok(c, await found(() => registry.run(of)));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/runs/{run}/metrics/{name}',
      tags,
      summary: 'Every point of a tracked metric',
      request: {
        params: runParam.extend({ name: z.string().openapi({ param: { name: 'name', in: 'path' }, example: 'validation.mape' }) }),
      },
      responses: answers('Points in order', z.array(metricPoint)),
    }),
    async (c) => {
      const of = c.req.valid('param');
      await requireModel(deps, of.model);
      await found(() => registry.run(of));
      return ok(c, await registry.curve(of));
    },
  );
}
