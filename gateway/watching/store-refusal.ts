import { PerennialError } from '../../domain/errors.js';

/** Whether the store will never take these rows: a typed refusal, or an SQLSTATE of wrong data. Anything else is tried again. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof PerennialError) return !error.retryable;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^2[23][0-9A-Z]{3}$/.test(code);
}
