import { createRoute } from '@hono/zod-openapi';
import { z } from '@hono/zod-openapi';
import { answers, type Api, type ApiDeps, body, ok, requireModel } from '../api-deps.js';
import { command, commandAnswer, decideAnswer, decision, modelParam, promote, retrain, retrainAnswer, rolloutAnswer } from '../schemas.js';

const rolloutAnswersWithinMs = 2_000;

/** Commands to the model's lifecycle. Each answers at once; a refusal is an answer with its reason, not an error. */
export function commandRoutes(api: Api, deps: ApiDeps): void {
  const { commands, registry } = deps;
  const tags = ['Commands'];

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/models/{model}/retrain',
      tags,
      summary: 'Ask for a run: it starts, queues, is a duplicate, or is refused',
      request: { params: modelParam, ...body(retrain) },
      responses: answers('What became of it', retrainAnswer),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      return ok(c, await commands.retrain(model, defined(c.req.valid('json'))));
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/models/{model}/decide',
      tags,
      summary: 'Approve or reject a version',
      request: { params: modelParam, ...body(decision) },
      responses: answers('Whether it counted', decideAnswer),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      return ok(c, await commands.decide(model, defined(c.req.valid('json'))));
    },
  );

  api.openapi(
    createRoute({
      method: 'post',
      path: '/api/models/{model}/promote',
      tags,
      summary: 'Start the rollout of an approved version',
      request: { params: modelParam, ...body(promote) },
      responses: answers('Accepted or refused', commandAnswer),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      await requireModel(deps, model);
      return ok(c, await commands.promote(model, defined(c.req.valid('json'))));
    },
  );

  const plain = {
    rollback: 'Take traffic back at once',
    pause: 'Let no trigger start a run',
    resume: 'Let triggers start runs again',
  } as const;
  for (const name of ['rollback', 'pause', 'resume'] as const) {
    api.openapi(
      createRoute({
        method: 'post',
        path: `/api/models/{model}/${name}`,
        tags,
        summary: plain[name],
        request: { params: modelParam, ...body(command) },
        responses: answers('Accepted or refused', commandAnswer),
      }),
      async (c) => {
        const { model } = c.req.valid('param');
        await requireModel(deps, model);
        return ok(c, await commands[name](model, defined(c.req.valid('json'))));
      },
    );
  }

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/rollout',
      tags: ['Rollouts'],
      summary: 'The newest rollout: plan, steps and their newest evidence; what its workflow says while it runs',
      request: { params: modelParam, query: z.object({ version: z.string().optional() }) },
      responses: answers('Rollout', rolloutAnswer),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      const { version } = c.req.valid('query');
      await requireModel(deps, model);
      const rollout = await registry.rollout({ model, ...(version === undefined ? {} : { version }) });
      const live =
        rollout?.status === 'running' ? await commands.rolloutStatus({ model, version: rollout.version }, rolloutAnswersWithinMs) : null;
      return ok(c, { rollout, live });
    },
  );

  for (const action of ['promote', 'abort', 'resumeStep'] as const) {
    api.openapi(
      createRoute({
        method: 'post',
        path: `/api/models/{model}/rollout/${action}`,
        tags: ['Rollouts'],
        summary: rolloutSummaries[action],
        request: { params: modelParam, ...body(command.omit({ requestId: true })) },
        responses: answers('Accepted or refused', commandAnswer),
      }),
      async (c) => {
        const { model } = c.req.valid('param');
        await requireModel(deps, model);
        const running = await registry.rollout({ model });
        if (running === null || running.status !== 'running') return ok(c, { accepted: false, reason: `no rollout of ${model} runs` });
        return ok(c, await commands.rollout({ model, version: running.version }, action, c.req.valid('json')));
      },
    );
  }
}

const rolloutSummaries = {
  promote: 'Go to 100% now, leaving out the remaining steps',
  abort: 'Take all traffic back to the champion now',
  resumeStep: 'Let a step that holds go on with a fresh deadline',
} as const;

/** Optional members that are absent stay absent. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
