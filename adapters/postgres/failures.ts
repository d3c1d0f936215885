import { PerennialError } from '../../domain/errors.js';

/** SQLSTATE classes and codes after which the same call may succeed: the server is away, busy, or stopped a deadlock. */
const transient = /^(08|53|57P0|58|40|55P03|57014|25P0[34])/;
const diskFull = '53100';
/** Errors of the socket and of the driver that carry no SQLSTATE. */
const lostConnection =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|ENOENT|Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|Query read timeout/;

type PostgresError = Error & { code?: string; detail?: string; constraint?: string; table?: string };

/** Whether a transaction that failed so may be run again at once: serialisation failure or deadlock. */
export const isContention = (error: unknown): boolean =>
  error instanceof PerennialError && (error.details['sqlState'] === '40001' || error.details['sqlState'] === '40P01');

/** Whether the connection itself is gone, so that it must not be used again. */
export const isLostConnection = (error: unknown): boolean =>
  error instanceof Error &&
  (/^(08|57P0)/.test((error as PostgresError).code ?? '') ||
    lostConnection.test(`${(error as PostgresError).code ?? ''} ${error.message}`));

/**
 * The typed failure behind an error of the driver: `Conflict` when a constraint refused the row (it names it),
 * `Unavailable` when Postgres is away or busy. Anything else is a mistake in our SQL and is handed back as it is.
 */
export function postgresFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof PerennialError) return error;
  const { code = '', detail, constraint, table, message } = error as PostgresError;
  if (code.startsWith('23')) {
    const where = [table && `table ${table}`, constraint && `constraint ${constraint}`].filter(Boolean).join(', ');
    return new PerennialError('Conflict', `Postgres refused a row (${where}): ${detail ?? message}`, {
      details: { sqlState: code, constraint: constraint ?? null, table: table ?? null },
      cause: error,
    });
  }
  if (code === diskFull) {
    return new PerennialError('Unavailable', `The disk of Postgres is full: ${message}. Free some space there.`, {
      details: { sqlState: code },
      cause: error,
    });
  }
  if (transient.test(code) || lostConnection.test(`${code} ${message}`)) {
    return new PerennialError(
      'Unavailable',
      `Postgres did not answer: ${message || code}. Check that it runs and that DATABASE_URL names it.`,
      {
        details: { sqlState: code },
        cause: error,
      },
    );
  }
  return error;
}

/** Whether this is the violation of the named constraint. */
export const violates = (error: unknown, constraint: string): boolean =>
  error instanceof PerennialError && error.details['constraint'] === constraint;
