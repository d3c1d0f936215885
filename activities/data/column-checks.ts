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

/** A column of the views `checked` and `numbered` (the same with row numbers) with what is expected of it and the type that it has. */
export type CheckedColumn = { readonly check: ColumnCheck; readonly type: string };

type Rule = { readonly column: string; readonly rule: Violation['rule']; readonly broken: string; readonly expected: string };

const sqlTypes: Readonly<Record<ColumnType, { readonly matches: RegExp; readonly cast: string }>> = {
  timestamp: { matches: /^(TIMESTAMP|DATE)/, cast: 'TIMESTAMP' },
  integer: { matches: /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/, cast: 'BIGINT' },
  number: { matches: /^(DOUBLE|FLOAT|DECIMAL.*|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)$/, cast: 'DOUBLE' },
  text: { matches: /^(VARCHAR|ENUM.*)$/, cast: 'VARCHAR' },
  boolean: { matches: /^BOOLEAN$/, cast: 'BOOLEAN' },
};

/**
 * Violations of all columns of the view `checked`, in the order of the columns. One pass counts them; only what is broken is
 * looked at again for its first row. A column of a wrong type is checked for nulls alone beside it.
 */
export async function columnViolations(session: TableSession, columns: readonly CheckedColumn[], eventTime: string): Promise<Violation[]> {
  const rules = columns.flatMap(rulesOf);
  if (rules.length === 0) return [];
  const [counts] = await session.rows(`SELECT ${rules.map(({ broken }, i) => `count_if(${broken}) AS n${i}`).join(', ')} FROM checked`);
  const violations: Violation[] = [];
  for (const [i, { column, rule, broken, expected }] of rules.entries()) {
    const rows = Number(counts?.[`n${i}`] ?? 0);
    if (rows === 0) continue;
    const [first] =
      await session.rows(`SELECT concat('row ', "row number", ' (', coalesce(CAST(${identifier(eventTime)} AS VARCHAR), 'no event time'), '): ',
      coalesce(CAST(${identifier(column)} AS VARCHAR), 'null')) AS example FROM numbered WHERE ${broken} ORDER BY "row number" LIMIT 1`);
    violations.push({ column, rule, rows, expected, example: String(first?.['example']) });
  }
  // A whole column of another type, where single values of it are wrong: the values say more.
  return violations.filter(
    ({ column, rule, expected }, i) =>
      rule !== 'type' ||
      !violations.some((other, j) => j < i && other.rule === 'type' && other.column === column && other.expected === expected),
  );
}

function rulesOf({ check, type }: CheckedColumn): Rule[] {
  const column = check.name;
  const name = identifier(column);
  const rules: Rule[] = [];
  const { matches, cast } = sqlTypes[check.type];
  if (!matches.test(type)) {
    const expected = `type ${check.type}, not ${type}`;
    rules.push(
      { column, rule: 'type', broken: `${name} IS NOT NULL AND TRY_CAST(CAST(${name} AS VARCHAR) AS ${cast}) IS NULL`, expected },
      { column, rule: 'type', broken: 'true', expected },
    );
  }
  if (check.nullable !== true) rules.push({ column, rule: 'null', broken: `${name} IS NULL`, expected: 'a value in every row' });
  if (!matches.test(type)) return rules;
  const floating = /^(DOUBLE|FLOAT)$/.test(type);
  if (floating) rules.push({ column, rule: 'notFinite', broken: `NOT isfinite(${name})`, expected: 'a finite number' });
  // NaN is above every bound for DuckDB: it is counted once, as not finite.
  const finite = floating ? ` AND isfinite(${name})` : '';
  if (check.min !== undefined)
    rules.push({ column, rule: 'min', broken: `${name} < ${check.min}${finite}`, expected: `at least ${check.min}` });
  if (check.max !== undefined)
    rules.push({ column, rule: 'max', broken: `${name} > ${check.max}${finite}`, expected: `at most ${check.max}` });
  if (check.allowed !== undefined) {
    const values = check.allowed.map((value) => (typeof value === 'number' ? String(value) : literal(value))).join(', ');
    rules.push({ column, rule: 'allowed', broken: `${name} NOT IN (${values})`, expected: `one of ${check.allowed.join(', ')}` });
  }
  return rules;
}
