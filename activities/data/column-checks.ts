import type { ColumnCheck, ColumnType } from '../../domain/model-definition.js';
import type { TableSession } from '../ports.js';
import { identifier, literal } from './data-deps.js';

/** One broken check: how many rows break it, and the first of them. */
export type Violation = {
  readonly column?: string;
  readonly rule: 'missing' | 'type' | 'null' | 'notFinite' | 'min' | 'max' | 'allowed' | 'duplicate' | 'future' | 'tooFewRows';
  readonly rows: number;
  readonly expected: string;
  /** What was found, with its row (counted from 1, by event time) and event time. */
  readonly example: string | null;
};

const sqlTypes: Readonly<Record<ColumnType, { readonly matches: RegExp; readonly cast: string }>> = {
  timestamp: { matches: /^(TIMESTAMP|DATE)/, cast: 'TIMESTAMP' },
  integer: { matches: /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/, cast: 'BIGINT' },
  number: { matches: /^(DOUBLE|FLOAT|DECIMAL.*|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)$/, cast: 'DOUBLE' },
  text: { matches: /^(VARCHAR|ENUM.*)$/, cast: 'VARCHAR' },
  boolean: { matches: /^BOOLEAN$/, cast: 'BOOLEAN' },
};

/** Violations of one column of the view `checked`. A column of a wrong type is checked for nulls alone beside it. */
export async function columnViolations(
  session: TableSession,
  column: { check: ColumnCheck; type: string; eventTime: string },
): Promise<Violation[]> {
  const { check, type } = column;
  const name = identifier(check.name);
  const rules: { readonly rule: Violation['rule']; readonly broken: string; readonly expected: string }[] = [];
  if (check.nullable !== true) rules.push({ rule: 'null', broken: `${name} IS NULL`, expected: 'a value in every row' });
  if (!sqlTypes[check.type].matches.test(type)) return [...(await wrongType(session, column)), ...(await broken(session, column, rules))];
  const floating = /^(DOUBLE|FLOAT)$/.test(type);
  if (floating) rules.push({ rule: 'notFinite', broken: `NOT isfinite(${name})`, expected: 'a finite number' });
  // NaN is above every bound for DuckDB: it is counted once, as not finite.
  const finite = floating ? ` AND isfinite(${name})` : '';
  if (check.min !== undefined) rules.push({ rule: 'min', broken: `${name} < ${check.min}${finite}`, expected: `at least ${check.min}` });
  if (check.max !== undefined) rules.push({ rule: 'max', broken: `${name} > ${check.max}${finite}`, expected: `at most ${check.max}` });
  if (check.allowed !== undefined) {
    const values = check.allowed.map((value) => (typeof value === 'number' ? String(value) : literal(value))).join(', ');
    rules.push({ rule: 'allowed', broken: `${name} NOT IN (${values})`, expected: `one of ${check.allowed.join(', ')}` });
  }
  return broken(session, column, rules);
}

/** The wrong values where some do not read as the expected type, else the whole column. */
async function wrongType(
  session: TableSession,
  { check, type, eventTime }: { check: ColumnCheck; type: string; eventTime: string },
): Promise<Violation[]> {
  const name = identifier(check.name);
  const expected = `type ${check.type}, not ${type}`;
  const unreadable = `${name} IS NOT NULL AND TRY_CAST(CAST(${name} AS VARCHAR) AS ${sqlTypes[check.type].cast}) IS NULL`;
  const found = await broken(session, { check, eventTime }, [{ rule: 'type', broken: unreadable, expected }]);
  if (found.length > 0) return found;
  return broken(session, { check, eventTime }, [{ rule: 'type', broken: 'true', expected }]);
}

async function broken(
  session: TableSession,
  { check, eventTime }: { check: ColumnCheck; eventTime: string },
  rules: readonly { readonly rule: Violation['rule']; readonly broken: string; readonly expected: string }[],
): Promise<Violation[]> {
  if (rules.length === 0) return [];
  const example = `concat('row ', "row number", ' (', coalesce(CAST(${identifier(eventTime)} AS VARCHAR), 'no event time'), '): ', coalesce(CAST(${identifier(check.name)} AS VARCHAR), 'null'))`;
  const [found] = await session.rows(
    `SELECT ${rules.map(({ broken: condition }, i) => `count(*) FILTER (WHERE ${condition}) AS rows${i}, first(${example} ORDER BY "row number") FILTER (WHERE ${condition}) AS example${i}`).join(', ')} FROM checked`,
  );
  return rules.flatMap(({ rule, expected }, i) => {
    const rows = Number(found?.[`rows${i}`] ?? 0);
    return rows === 0 ? [] : [{ column: check.name, rule, rows, expected, example: String(found?.[`example${i}`]) }];
  });
}
