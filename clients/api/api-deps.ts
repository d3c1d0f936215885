import type { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import type { LifecycleCommands } from '../client/lifecycle-commands.js';
import type { ApiRegistry } from './registry.js';
import { failure } from './schemas.js';
import type { Uploads } from './uploads.js';

export type ApiDeps = {
  readonly registry: ApiRegistry;
  readonly commands: LifecycleCommands;
  readonly objects: Pick<ObjectStore, 'get' | 'has'>;
  readonly uploads: Uploads;
  /** The bearer token that every route but the health check wants. */
  readonly token: string;
  /** Exact values of the Host header that are answered, such as `127.0.0.1:8500`; asked at each request, since a port may be chosen late. */
  readonly hosts: () => readonly string[];
  /** Brings schedules in line after a definition or a clock was changed. */
  readonly schedulesChanged?: () => Promise<void>;
  /** For failures that nobody expected. */
  readonly log?: (line: string) => void;
};

export type Api = OpenAPIHono;

/** The responses of a route: its answer, and what a failure looks like. */
export const answers = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  200: { description, content: { 'application/json': { schema } } },
  default: { description: 'Refused or failed: type, message and details', content: { 'application/json': { schema: failure } } },
});

/** A JSON request body. */
export const body = <Schema extends z.ZodType>(schema: Schema) => ({
  body: { required: true, content: { 'application/json': { schema } } },
});

/** The answer of a route. What the registry answers is wider than what the document promises of it. */
export const ok = (c: Context, value: unknown) => c.json(value as never, 200);

/** Throws `Conflict` with the names that exist when no definition of this model was published. */
export async function requireModel({ registry }: Pick<ApiDeps, 'registry'>, model: string): Promise<void> {
  const known = await registry.modelNames();
  if (known.includes(model)) return;
  throw new PerennialError(
    'Conflict',
    known.length === 0
      ? `There is no model ${model}: none is published yet. Publish the definitions in models/ with ./perennial apply.`
      : `There is no model ${model}. The models are ${known.join(', ')}; publish a new definition with ./perennial apply.`,
    { details: { model, known, absent: true } },
  );
}

/** What is looked for and not there is 404 and no conflict. */
export async function found<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PerennialError) || error.type !== 'Conflict') throw error;
    throw new PerennialError('Conflict', error.message, { details: { ...error.details, absent: true }, cause: error });
  }
}
