import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { DatasetRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { lookbackMs } from '../../domain/feature-computation.js';
import { canonicalJson } from '../../domain/json.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { TableSession } from '../ports.js';
import { type DataDeps, identifier, parquetType, timestamp } from './data-deps.js';
import { type SourceFile, viewStatement } from './source-files.js';

const dayMs = 86_400_000;

export type ExtractInput = { readonly definition: TrainedDefinition; readonly asOfMs: number; readonly files: readonly SourceFile[] };

/**
 * Cuts `asOf - days <= eventTime < asOf` out of the definition's query, and beside it the outcomes from as far back as the
 * features look. Rows without an event time are kept for `checkData` to name. Sorted by event time, then by every column.
 */
export async function extractWindow(
  deps: DataDeps,
  { definition, asOfMs, files }: ExtractInput,
  { folder, session }: { folder: string; session: TableSession },
): Promise<DatasetRef> {
  const fromMs = asOfMs - definition.window.days * dayMs;
  for (const file of files) await session.run(viewStatement(file));
  const query = definition.source.query.trim().replace(/;\s*$/, '');
  await session.run(`CREATE TEMP TABLE source_rows AS SELECT * FROM (${query}\n)`);
  const columns = await session.describe('SELECT * FROM source_rows');
  requireEventTime(definition, columns);
  const event = identifier(definition.eventTime);
  await refuseTheFuture(deps, definition, session);

  const path = join(folder, 'window.parquet');
  const rows = await session.copy(
    `SELECT * FROM source_rows WHERE ${event} IS NULL OR (${event} >= ${timestamp(fromMs)} AND ${event} < ${timestamp(asOfMs)})
     ${await inOrder(event, columns, session)}`,
    path,
  );
  if (rows === 0) throw await emptyWindow(definition, { fromMs, asOfMs }, session);
  const object = await deps.objects.putFile(path, parquetType);
  const outcomes = await extractOutcomes(deps, { definition, fromMs, asOfMs, columns }, { folder, session });
  const digest =
    outcomes === undefined
      ? object.digest
      : `sha256:${createHash('sha256')
          .update(canonicalJson([object.digest, outcomes.digest]))
          .digest('hex')}`;
  return { digest, object, rows, columns, fromMs, toMs: asOfMs, ...(outcomes === undefined ? {} : { outcomes }) };
}

/**
 * The order of the rows as SQL; nothing for rows that come in order of distinct times already. Every column decides only where
 * times repeat: as keys they would cost more than the rest of the extraction.
 */
async function inOrder(event: string, columns: readonly { name: string }[], session: TableSession): Promise<string> {
  const [found] = await session.rows(
    `SELECT count(*) - count(DISTINCT ${event}) AS repeated,
     (SELECT count_if(coalesce(moment <= previous, true)) FROM
       (SELECT ${event} AS moment, lag(${event}) OVER () AS previous FROM source_rows QUALIFY row_number() OVER () > 1)) AS unordered FROM source_rows`,
  );
  if (Number(found?.['repeated']) !== 0) return `ORDER BY ${[event, ...columns.map(({ name }) => identifier(name))].join(', ')}`;
  return Number(found?.['unordered']) === 0 ? '' : `ORDER BY ${event}`;
}

function requireEventTime(definition: TrainedDefinition, columns: readonly { name: string; type: string }[]): void {
  const found = columns.find(({ name }) => name === definition.eventTime);
  if (found !== undefined && /^(TIMESTAMP|DATE)/.test(found.type)) return;
  const what = found === undefined ? `is missing: the query gives ${columns.map(({ name }) => name).join(', ')}` : `is ${found.type}`;
  throw new PerennialError(
    'DataInvalid',
    `the event time of ${definition.name}, column ${definition.eventTime}, ${what}; source.query must give it as a TIMESTAMP`,
    {
      details: {
        violations: [
          {
            column: definition.eventTime,
            rule: found === undefined ? 'missing' : 'type',
            expected: 'TIMESTAMP',
            found: found?.type ?? null,
          },
        ],
      },
    },
  );
}

/** A row of tomorrow is a broken row, as of whatever time the window is cut: it is said, not silently left out. */
async function refuseTheFuture(deps: DataDeps, definition: TrainedDefinition, session: TableSession): Promise<void> {
  const event = identifier(definition.eventTime);
  const [future] = await session.rows(
    `SELECT count(*) AS rows, CAST(min(${event}) AS VARCHAR) AS example FROM source_rows WHERE ${event} > ${timestamp(deps.nowMs())}`,
  );
  const rows = Number(future?.['rows'] ?? 0);
  if (rows === 0) return;
  throw new PerennialError(
    'DataInvalid',
    `${rows} ${rows === 1 ? 'row' : 'rows'} of ${definition.name} ${rows === 1 ? 'lies' : 'lie'} in the future (column ${definition.eventTime}, first ${future?.['example']}): expected none after now; correct the source's times or time zone`,
    {
      details: { violations: [{ column: definition.eventTime, rule: 'future', rows, example: future?.['example'] ?? null }] },
    },
  );
}

async function emptyWindow(
  definition: TrainedDefinition,
  { fromMs, asOfMs }: { fromMs: number; asOfMs: number },
  session: TableSession,
): Promise<PerennialError> {
  const event = identifier(definition.eventTime);
  const [span] = await session.rows(
    `SELECT count(*) AS rows, CAST(min(${event}) AS VARCHAR) AS first, CAST(max(${event}) AS VARCHAR) AS last FROM source_rows`,
  );
  const there =
    Number(span?.['rows'] ?? 0) === 0
      ? 'the query gives no rows at all'
      : `the query gives ${span?.['rows']} rows from ${span?.['first']} to ${span?.['last']}`;
  const window = `${new Date(fromMs).toISOString()} to ${new Date(asOfMs).toISOString()}`;
  return new PerennialError(
    'DataInvalid',
    `the window of ${definition.name} is empty: no rows from ${window}; ${there}. Choose another as-of time, or a longer window.days`,
    {
      details: { violations: [{ column: definition.eventTime, rule: 'empty', window, ...span }] },
    },
  );
}

type OutcomesInput = { definition: TrainedDefinition; fromMs: number; asOfMs: number; columns: readonly { name: string; type: string }[] };

async function extractOutcomes(
  deps: DataDeps,
  { definition, fromMs, asOfMs, columns }: OutcomesInput,
  { folder, session }: { folder: string; session: TableSession },
) {
  const target = columns.find(({ name }) => name === definition.target.column);
  const back = lookbackMs(definition.features);
  if (back === 0 || target === undefined || !/INT|DOUBLE|FLOAT|DECIMAL/.test(target.type)) return undefined;
  const event = identifier(definition.eventTime);
  const value = `CAST(${identifier(target.name)} AS DOUBLE)`;
  const path = join(folder, 'outcomes.parquet');
  await session.copy(
    `SELECT CAST(${event} AS TIMESTAMP) AS time, ${value} AS value FROM source_rows
     WHERE ${event} >= ${timestamp(fromMs - back)} AND ${event} < ${timestamp(asOfMs)} AND isfinite(${value}) ORDER BY 1, 2`,
    path,
  );
  return deps.objects.putFile(path, parquetType);
}

/** What the dataset depends on beside the code: for the step cache. */
export function extractionInputs({ definition, asOfMs, files }: ExtractInput): unknown {
  return {
    query: definition.source.query,
    files: files.map(({ view, digest }) => ({ view, digest })),
    eventTime: definition.eventTime,
    target: definition.target.column,
    days: definition.window.days,
    lookbackMs: lookbackMs(definition.features),
    asOfMs,
  };
}
