import { PerennialError } from '../../domain/errors.js';

/** A failed DuckDB call as the platform's failure: what may pass by itself is `Unavailable`, everything else `DataInvalid`. */
export function tableError(sql: string, error: unknown): PerennialError {
  if (error instanceof PerennialError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const query = sql.replace(/\s+/g, ' ').trim();
  const details = { query: query.length <= 500 ? query : `${query.slice(0, 500)}...` };
  // A forbidden file is the query's fault; one that cannot be read, or memory that is short, is the machine's.
  if (/^(IO|Out of Memory|HTTP|Connection) Error/.test(reason)) {
    return new PerennialError('Unavailable', `the query could not be carried out: ${reason}`, { details, cause: error });
  }
  return new PerennialError('DataInvalid', `the query is refused: ${reason}`, { details, cause: error });
}
