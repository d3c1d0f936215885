import { ApplicationFailure, CompleteAsyncError } from '@temporalio/activity';
import { CancelledFailure, TemporalFailure } from '@temporalio/common';
import { PerennialError } from '../domain/errors.js';

type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

/**
 * Gives every activity's expected failures their wire form: an `ApplicationFailure` whose type is that of the
 * `PerennialError` and which is retried only when the same call may succeed later. Anything else stays a retryable failure.
 */
export function withWireFailures<T extends object>(activities: T): T {
  return Object.fromEntries(
    Object.entries(activities as unknown as Activities).map(([name, activity]) => [
      name,
      async (...args: never[]) => {
        try {
          return await activity(...args);
        } catch (error) {
          throw wireFailure(error);
        }
      },
    ]),
  ) as T;
}

function wireFailure(error: unknown): unknown {
  if (error instanceof TemporalFailure || error instanceof CancelledFailure || error instanceof CompleteAsyncError) return error;
  if (error instanceof PerennialError) {
    return ApplicationFailure.create({
      message: error.message,
      type: error.type,
      nonRetryable: !error.retryable,
      details: [error.details],
      cause: error,
    });
  }
  return error;
}
