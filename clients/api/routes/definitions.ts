import { createRoute, z } from '@hono/zod-openapi';
import { parseDefinition } from '../../../contracts/define-model.js';
import { PerennialError } from '../../../domain/errors.js';
import { answers, type Api, type ApiDeps, body, ok, requireModel } from '../api-deps.js';
import { modelClock } from '../model-clock.js';
import { plainRoutes } from '../plain-routes.js';
import { clock, clockChange, modelParam, publication, published } from '../schemas.js';

/** Publishing definitions, and the clock of a model. */
export function definitionRoutes(api: Api, deps: ApiDeps): void {
  const { registry, schedulesChanged } = deps;
  const { readModel } = plainRoutes(api, deps, ['Clocks']);

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/definitions',
      tags: ['Definitions'],
      summary: 'Publish definitions, all or none; each becomes the active one of its model',
      request: body(publication),
      responses: answers('What changed', z.array(published)),
    }),
    async (c) => {
      const { definitions, by, reason } = c.req.valid('json');
      const publications = await registry.publish(definitions.map(parseDefinition), { by, reason });
      await schedulesChanged?.();
      return ok(c, publications);
    },
  );

  readModel({ path: '/api/models/{model}/clock', summary: "The model's clock and its time", responses: answers('Clock', clock) }, (model) =>
    modelClock(registry, model),
  );

  api.openapi(
    createRoute({
      method: 'put',
      path: '/api/models/{model}/clock',
      tags: ['Clocks'],
      summary: "Make the model's driven clock, or move it forward; never backwards",
      request: { params: modelParam, ...body(clockChange) },
      responses: answers('Clock', clock),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      const { nowMs, fromMs } = c.req.valid('json');
      await requireModel(deps, model);
      const stands = await registry.drivenClock(model);
      if (stands === null && fromMs !== undefined) {
        throw new PerennialError(
          'Conflict',
          `${model} has no driven clock that could stand at ${fromMs}: make one first, without "fromMs".`,
        );
      }
      const made = stands === null ? await registry.createClock({ name: model, nowMs }) : { nowMs: stands, created: false };
      // It may have been made by somebody else in this moment; then it is moved like any other.
      if (!made.created) await registry.advanceClock({ name: model, fromMs: fromMs ?? made.nowMs, toMs: nowMs });
      else await schedulesChanged?.();
      return ok(c, await modelClock(registry, model));
    },
  );
}
