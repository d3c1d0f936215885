import type { ReadableStream } from 'node:stream/web';
import { createRoute } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { PerennialError } from '../../../domain/errors.js';
import { answers, type Api, type ApiDeps, ok } from '../api-deps.js';
import { objectRef } from '../schemas.js';
import { isUploadMediaType, uploadLimits, type UploadMediaType } from '../upload-limits.js';

/** The one route whose body is a stream; the limit of the others does not hold for it. */
export const objectsPath = '/api/objects';

/** Objects that a run will need: an imported model, its example, what was expected. */
export function objectRoutes(api: Api, { uploads }: Pick<ApiDeps, 'uploads'>): void {
  const binary = { type: 'string', format: 'binary' } as const;
  api.openapi(
    createRoute({
      method: 'post',
      path: objectsPath,
      tags: ['Objects'],
      summary: 'Store a file; the answer names it in a later request. The same bytes again are the same object',
      request: {
        body: {
          required: true,
          content: Object.fromEntries(Object.keys(uploadLimits).map((mediaType) => [mediaType, { schema: binary }])),
        },
      },
      responses: answers('Object', objectRef),
    }),
    async (c) => {
      const encoding = c.req.header('content-encoding') ?? 'identity';
      if (encoding !== 'identity')
        throw new PerennialError('DataInvalid', `The body comes with Content-Encoding ${encoding}: send the file as it is.`);
      const length = c.req.header('content-length');
      return ok(
        c,
        await uploads.receive({
          body: c.req.raw.body as ReadableStream<Uint8Array> | null,
          mediaType: mediaTypeOf(c),
          length: length === undefined ? null : Number(length),
        }),
      );
    },
  );
}

function mediaTypeOf(c: Context): UploadMediaType {
  const told = (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  if (isUploadMediaType(told)) return told;
  throw new PerennialError(
    'DataInvalid',
    `Content-Type is ${told === '' ? 'not told' : `"${told.slice(0, 100)}"`}: objects of ${Object.keys(uploadLimits).join(' and ')} are taken.`,
  );
}
