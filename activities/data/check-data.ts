import type { DataReport } from '../../contracts/activities.js';
import type { DatasetRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import type { TableSession } from '../ports.js';
import { type CheckedColumn, columnViolations, type Violation } from './column-checks.js';
import { identifier, timestamp } from './data-deps.js';

export type CheckInput = { readonly definition: TrainedDefinition; readonly dataset: DatasetRef; readonly asOfMs: number };

/** Looks for every violation of the definition's checks in a table; throws one `DataInvalid` that lists them all. */
export async function checkData({ definition, dataset, asOfMs }: CheckInput, session: TableSession, table: string): Promise<DataReport> {
  // Numbers are only needed to name a broken row; without them whole columns are answered from the file's own statistics.
  await session.run(`CREATE TEMP VIEW checked AS SELECT * FROM ${table}`);
  await session.run(`CREATE TEMP VIEW numbered AS SELECT row_number() OVER () AS "row number", * FROM ${table}`);
  const violations: Violation[] = [];
  if (dataset.rows < definition.checks.minRows) {
    violations.push({ rule: 'tooFewRows', rows: dataset.rows, expected: `at least ${definition.checks.minRows} rows`, example: null });
  }
  const present = new Map(dataset.columns.map(({ name, type }) => [name, type]));
  const columns: CheckedColumn[] = [];
  for (const check of definition.checks.columns) {
    const type = present.get(check.name);
    if (type !== undefined) columns.push({ check, type });
    else
      violations.push({
        column: check.name,
        rule: 'missing',
        rows: dataset.rows,
        expected: `a column of type ${check.type}`,
        example: `the query gives ${[...present.keys()].join(', ')}`,
      });
  }
  violations.push(...(await columnViolations(session, columns, definition.eventTime)));
  violations.push(...(await duplicates(definition, present, session)), ...(await futureRows(definition, asOfMs, session)));
  if (violations.length > 0) throw invalid(definition, violations);
  return report(definition, dataset, session);
}

async function duplicates(
  definition: TrainedDefinition,
  present: ReadonlyMap<string, string>,
  session: TableSession,
): Promise<Violation[]> {
  const keys = definition.checks.uniqueBy;
  if (keys.some((key) => !present.has(key))) return [];
  const list = keys.map(identifier).join(', ');
  const [found] =
    await session.rows(`SELECT CAST(coalesce(sum(n - 1), 0) AS BIGINT) AS rows, first(example ORDER BY first_row) AS example FROM (
    SELECT count(*) AS n, min("row number") AS first_row, concat_ws(', ', ${keys.map((key) => `${identifier(key)}`).join(', ')}) AS example FROM numbered GROUP BY ${list} HAVING count(*) > 1)`);
  const rows = Number(found?.['rows'] ?? 0);
  return rows === 0
    ? []
    : [{ column: keys.join(', '), rule: 'duplicate', rows, expected: 'each value once', example: String(found?.['example']) }];
}

async function futureRows(definition: TrainedDefinition, asOfMs: number, session: TableSession): Promise<Violation[]> {
  const event = identifier(definition.eventTime);
  const [found] = await session.rows(
    `SELECT count(*) AS rows, CAST(min(${event}) AS VARCHAR) AS example FROM checked WHERE ${event} >= ${timestamp(asOfMs)}`,
  );
  const rows = Number(found?.['rows'] ?? 0);
  return rows === 0
    ? []
    : [
        {
          column: definition.eventTime,
          rule: 'future',
          rows,
          expected: `a time before the as-of time ${new Date(asOfMs).toISOString()}`,
          example: String(found?.['example']),
        },
      ];
}

async function report(definition: TrainedDefinition, dataset: DatasetRef, session: TableSession): Promise<DataReport> {
  const names = definition.checks.columns.map(({ name }) => name);
  const figures = names.map(
    (name, i) =>
      `count(*) - count(${identifier(name)}) AS nulls${i}, min(${identifier(name)}) AS min${i}, max(${identifier(name)}) AS max${i}`,
  );
  const [row] = await session.rows(`SELECT ${figures.join(', ')} FROM checked`);
  const value = (key: string): number | string | null => {
    const found = row?.[key] ?? null;
    return typeof found === 'boolean' ? String(found) : found;
  };
  return {
    rows: dataset.rows,
    columns: names.map((name, i) => ({ name, nulls: Number(value(`nulls${i}`)), min: value(`min${i}`), max: value(`max${i}`) })),
    absentSlots: await absentSlots(definition, session),
  };
}

/** Times without a row between the first and the last, counted in the most common distance of two rows. */
async function absentSlots(definition: TrainedDefinition, session: TableSession): Promise<number> {
  const [found] = await session.rows(`WITH times AS (SELECT DISTINCT epoch_ms(${identifier(definition.eventTime)}) AS t FROM checked),
    gaps AS (SELECT t - lag(t) OVER (ORDER BY t) AS gap FROM times)
    SELECT CAST(coalesce(sum(gap // step - 1), 0) AS BIGINT) AS absent FROM gaps, (SELECT mode(gap ORDER BY gap) AS step FROM gaps WHERE gap IS NOT NULL) WHERE gap > step`);
  return Number(found?.['absent'] ?? 0);
}

function invalid(definition: TrainedDefinition, violations: readonly Violation[]): PerennialError {
  const lines = violations.map(
    ({ column, rule, rows, expected, example }) =>
      `  ${column ?? 'table'}: ${rule}, ${rows} ${rows === 1 ? 'row' : 'rows'}; expected ${expected}${example === null ? '' : `, found ${example}`}`,
  );
  return new PerennialError(
    'DataInvalid',
    `the data of ${definition.name} breaks ${violations.length} ${violations.length === 1 ? 'check' : 'checks'}:\n${lines.join('\n')}\nCorrect the source, or the definition's checks if they are wrong.`,
    {
      details: { violations },
    },
  );
}
