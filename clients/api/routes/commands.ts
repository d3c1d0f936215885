import { createRoute, z } from '@hono/zod-openapi';
import type { ImportedModel } from '../../../contracts/imported-model.js';
import { answers, type Api, type ApiDeps, ok, requireModel } from '../api-deps.js';
import { plainRoutes } from '../plain-routes.js';
import { objectsPath } from './objects.js';
import { command, commandAnswer, decideAnswer, decision, modelParam, promote, retrain, retrainAnswer, rolloutAnswer } from '../schemas.js';

const rolloutAnswersWithinMs = 2_000;

/** Commands to the model's lifecycle. Each answers at once; a refusal is an answer with its reason, not an error. */
export function commandRoutes(api: Api, deps: ApiDeps): void {
  const { commands, registry } = deps;
  const { command: send } = plainRoutes(api, deps, ['Commands']);
  const accepted = answers('Accepted or refused', commandAnswer);

  send(
    {
      path: '/api/models/{model}/retrain',
      summary: 'Ask for a run: it starts, queues, is a duplicate, or is refused',
      input: retrain,
      responses: answers('What became of it', retrainAnswer),
    },
    async (model, asked) => {
      const reason = asked.imported === undefined ? null : await absentObjects(deps, asked.imported);
      return reason === null ? await commands.retrain(model, asked) : { kind: 'refused', reason };
    },
  );
  send(
    {
      path: '/api/models/{model}/decide',
      summary: 'Approve or reject a version',
      input: decision,
      responses: answers('Whether it counted', decideAnswer),
    },
    (model, decided) => commands.decide(model, decided),
  );
  send(
    { path: '/api/models/{model}/promote', summary: 'Start the rollout of an approved version', input: promote, responses: accepted },
    (model, asked) => commands.promote(model, asked),
  );
  send(
    { path: '/api/models/{model}/rollback', summary: 'Take traffic back at once', input: command, responses: accepted },
    (model, asked) => commands.rollback(model, asked),
  );
  send({ path: '/api/models/{model}/pause', summary: 'Let no trigger start a run', input: command, responses: accepted }, (model, asked) =>
    commands.pause(model, asked),
  );
  send(
    { path: '/api/models/{model}/resume', summary: 'Let triggers start runs again', input: command, responses: accepted },
    (model, asked) => commands.resume(model, asked),
  );

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

  const rollouts = plainRoutes(api, deps, ['Rollouts']);
  for (const action of ['promote', 'abort', 'resumeStep'] as const) {
    rollouts.command(
      {
        path: `/api/models/{model}/rollout/${action}`,
        summary: rolloutSummaries[action],
        input: command.omit({ requestId: true }),
        responses: accepted,
      },
      async (model, asked) => {
        const running = await registry.rollout({ model });
        if (running === null || running.status !== 'running') return { accepted: false, reason: `no rollout of ${model} runs` };
        return commands.rollout({ model, version: running.version }, action, asked);
      },
    );
  }
}

/** Why a run of this file could only fail; null when all that it names is in the object store. */
async function absentObjects({ objects }: Pick<ApiDeps, 'objects'>, { onnx, example, expected }: ImportedModel): Promise<string | null> {
  const named = Object.entries({ onnx, example, expected }).filter((entry) => entry[1] !== undefined);
  const present = await Promise.all(named.map(([, object]) => objects.has(object!.digest)));
  const absent = named.filter((_, index) => present[index] !== true).map(([name, object]) => `imported.${name} (${object!.digest})`);
  if (absent.length === 0) return null;
  return `the object store has no ${absent.join(', no ')}: send the bytes to POST ${objectsPath} first, and name what it answers`;
}

const rolloutSummaries = {
  promote: 'Go to 100% now, leaving out the remaining steps',
  abort: 'Take all traffic back to the champion now',
  resumeStep: 'Let a step that holds go on with a fresh deadline',
} as const;
