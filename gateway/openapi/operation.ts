import type { Schema } from './schemas.js';

/** Bodies by their media type. */
export type Bodies = { readonly [mediaType: string]: Schema };

/** Parts of the gateway that operations belong to. */
export type Tag = 'inference' | 'health' | 'models' | 'repository' | 'operations' | 'v1' | 'sagemaker' | 'jobs';

/** What the document says of the routes of one kind. Paths, methods and who may call stand in `http/routes.ts`. */
export type Operation = {
  readonly tag: Tag;
  readonly summary: string;
  readonly request?: Bodies;
  /** Whether the body may be left out. */
  readonly optionalBody?: boolean;
  /** Request headers that mean something here, with what. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers that are no errors, by status. */
  readonly answers: Readonly<Record<number, Bodies>>;
  /** Whether errors have SageMaker's form. */
  readonly sagemakerErrors?: boolean;
};

export const asJson = (schema: Schema): Bodies => ({ 'application/json': schema });
export const bytes: Bodies = { 'application/octet-stream': { type: 'string', format: 'binary' } };
export const events: Bodies = { 'text/event-stream': { type: 'string' } };
export const plain: Bodies = { 'text/plain': { type: 'string' } };
