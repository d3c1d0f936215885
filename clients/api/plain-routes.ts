import { createRoute, type z } from '@hono/zod-openapi';
import { type answers, type Api, type ApiDeps, body, ok, requireModel } from './api-deps.js';
import { modelParam } from './schemas.js';

/** What the document says of a route. */
type Told = { readonly path: string; readonly summary: string; readonly responses: ReturnType<typeof answers> };

/** Optional members that are absent stay absent. */
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Routes that hand a question or a command on as it came. Those of a model answer 404 when it is not published. */
export function plainRoutes(api: Api, deps: Pick<ApiDeps, 'registry'>, tags: string[]) {
  return {
    /** A GET that takes nothing. */
    read(told: Told, answer: () => Promise<unknown>): void {
      api.openapi(createRoute({ method: 'get', tags, ...told }), async (c) => ok(c, await answer()));
    },

    /** A GET of one model. */
    readModel(told: Told, answer: (model: string) => Promise<unknown>): void {
      api.openapi(createRoute({ method: 'get', tags, ...told, request: { params: modelParam } }), async (c) => {
        const { model } = c.req.valid('param');
        await requireModel(deps, model);
        return ok(c, await answer(model));
      });
    },

    /** A POST of JSON to one model. */
    command<Input extends z.ZodType>(
      { input, ...told }: Told & { readonly input: Input },
      answer: (model: string, input: Defined<z.output<Input>>) => Promise<unknown>,
    ): void {
      api.openapi(createRoute({ method: 'post', tags, ...told, request: { params: modelParam, ...body<z.ZodType>(input) } }), async (c) => {
        const { model } = c.req.valid('param');
        await requireModel(deps, model);
        return ok(c, await answer(model, defined(c.req.valid('json') as z.output<Input>)));
      });
    },
  };
}

function defined<T>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value as object).filter(([, member]) => member !== undefined)) as Defined<T>;
}
