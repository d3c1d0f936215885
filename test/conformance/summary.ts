import type { Case, Suite } from './suites.js';

export type Result = { readonly suite: Suite; readonly cases: readonly Case[]; readonly seconds: number };

/** The results as a table in Markdown, the reasons of what did not pass, and the sum in the last line. */
export function summary(results: readonly Result[]): string[] {
  const rows = results.map(({ suite, cases, seconds }) => [
    suite.name,
    String(count(cases, 'passed')),
    String(count(cases, 'failed')),
    String(count(cases, 'skipped')),
    seconds.toFixed(1),
    suite.what,
  ]);
  const all = results.flatMap(({ cases }) => cases);
  return [
    ...markdownTable([['suite', 'passed', 'failed', 'skipped', 'seconds', 'what'], ...rows]),
    '',
    ...reasons(results, 'failed'),
    ...reasons(results, 'skipped'),
    `${count(all, 'passed')} passed, ${count(all, 'failed')} failed, ${count(all, 'skipped')} skipped`,
  ];
}

export function count(cases: readonly Case[], outcome: Case['outcome']): number {
  return cases.filter((found) => found.outcome === outcome).length;
}

function reasons(results: readonly Result[], outcome: Case['outcome']): string[] {
  const told = results.flatMap(({ suite, cases }) =>
    cases
      .filter((found) => found.outcome === outcome)
      .map(({ name, reason }) => `- ${suite.name}: ${name}: ${reason ?? 'no reason was given'}`),
  );
  return told.length === 0 ? [] : [`${outcome}:`, '', ...told, ''];
}

function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(rows[0]!), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)];
}
