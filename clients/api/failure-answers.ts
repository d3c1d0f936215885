import type { Context, ErrorHandler, NotFoundHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { z } from 'zod';
import { type FailureType, PerennialError } from '../../domain/errors.js';

type FailureStatus = 400 | 404 | 409 | 413 | 422 | 500 | 503;

const statuses: Readonly<Record<FailureType, FailureStatus>> = {
  DataInvalid: 400,
  ArtifactRejected: 422,
  TrainerFailed: 422,
  NotApproved: 409,
  Conflict: 409,
  Unavailable: 503,
};

/** Expected failures by their type; anything else is 500, told to the log and not to the caller. */
export function failureAnswers(log: (line: string) => void = () => undefined): ErrorHandler {
  return (error, c) => {
    if (error instanceof PerennialError) {
      const { absent, ...details } = error.details;
      return tell(c, absent === true ? 404 : statuses[error.type], {
        type: absent === true ? 'NotFound' : error.type,
        message: error.message,
        details,
      });
    }
    if (error instanceof HTTPException && error.status < 500)
      return tell(c, error.status === 413 ? 413 : 400, { type: 'DataInvalid', message: error.message, details: {} });
    log(`${c.req.method} ${c.req.path}: ${error.stack ?? error.message}`);
    return tell(c, 500, { type: 'Internal', message: 'The control API failed; its log says why.', details: {} });
  };
}

export const unknownRoute: NotFoundHandler = (c) =>
  tell(c, 404, {
    type: 'NotFound',
    message: `There is no ${c.req.method} ${c.req.path}; GET /api/openapi.json lists what there is.`,
    details: {},
  });

/** A request of the wrong shape: every place, with what was expected there. */
export function wrongShape(result: { success: true } | { success: false; error: z.ZodError; target: string }, c: Context) {
  if (result.success) return undefined;
  const faults = result.error.issues.map((issue) => ({ path: [result.target, ...issue.path].join('.'), expected: issue.message }));
  const message = `The request is not what is expected: ${faults.map(({ path, expected }) => `${path}: ${expected}`).join('; ')}`;
  return tell(c, 400, { type: 'DataInvalid', message, details: { faults } });
}

export function tell(c: Context, status: FailureStatus, error: { type: string; message: string; details: Record<string, unknown> }) {
  return c.json({ error }, status);
}
