import { createRoute, z } from '@hono/zod-openapi';
import { PerennialError } from '../../../domain/errors.js';
import { answers, type Api, type ApiDeps, found, ok, requireModel } from '../api-deps.js';
import { inferenceRequest, limit, modelParam, versionDetails, versionParam, versionSummary } from '../schemas.js';

/** File of a package: the request that the version is smoke-tested with. */
const exampleFile = 'input-example.json';

/** Versions with their evidence. */
export function versionRoutes(api: Api, deps: ApiDeps): void {
  const { registry, objects } = deps;
  const tags = ['Versions'];

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/versions',
      tags,
      summary: 'Versions, highest number first; refused ones too',
      request: { params: modelParam, query: z.object({ limit }) },
      responses: answers('Versions', z.array(versionSummary)),
    }),
    async (c) => {
      const { model } = c.req.valid('param');
      const { limit: most } = c.req.valid('query');
      await requireModel(deps, model);
      return ok(c, await registry.versions({ model, ...(most === undefined ? {} : { limit: most }) }));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/versions/{version}',
      tags,
      summary: 'A version with metrics, gates, approval, rollouts, history, audit and card',
      request: { params: versionParam },
      responses: answers('Version', versionDetails),
    }),
    async (c) => {
      const of = c.req.valid('param');
      await requireModel(deps, of.model);
      return ok(c, await found(() => registry.version(of)));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/versions/{version}/example',
      tags,
      summary: 'A request that this version answers, as Open Inference Protocol JSON',
      request: { params: versionParam },
      responses: answers('Request', inferenceRequest),
    }),
    async (c) => {
      const of = c.req.valid('param');
      await requireModel(deps, of.model);
      const version = await found(() => registry.version(of));
      const file = version.package.files.find(({ path }) => path === exampleFile);
      if (file === undefined) {
        throw new PerennialError(
          'Conflict',
          `The package of ${of.model} ${of.version} holds no ${exampleFile}: send a request of your own.`,
          {
            details: { ...of, absent: true },
          },
        );
      }
      return ok(c, JSON.parse(new TextDecoder().decode(await objects.get(file.digest))));
    },
  );

  api.openapi(
    createRoute({
      method: 'get',
      path: '/api/models/{model}/versions/{version}/files/{digest}',
      tags,
      summary: "A file of the version's package, or its signature, by digest",
      request: { params: versionParam.extend({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }) },
      responses: {
        ...answers('File', z.unknown()),
        200: { description: 'The bytes', content: { 'application/octet-stream': { schema: z.string() } } },
      },
    }),
    async (c) => {
      const { digest, ...of } = c.req.valid('param');
      await requireModel(deps, of.model);
      const { package: pack } = await found(() => registry.version(of));
      if (pack.signature?.digest !== digest && !pack.files.some((file) => file.digest === digest))
        throw new PerennialError('Conflict', `The package of ${of.model} ${of.version} holds no file ${digest}.`, {
          details: { ...of, digest, absent: true },
        });
      const bytes = await objects.get(digest);
      return c.body(new Uint8Array(bytes), 200, { 'Content-Type': 'application/octet-stream' });
    },
  );
}
