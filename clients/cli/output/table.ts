import { cut, type Style, widthOf } from './style.js';

export type Column = { readonly title: string; readonly right?: boolean };

/** A table as lines: titles, then rows, two spaces between columns. The last column is cut where the terminal ends. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { style, width }: { style: Style; width: number },
): string[] {
  const widths = columns.map((column, index) => Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row[index] ?? ''))));
  const line = (cells: readonly string[]): string => {
    const padded = columns.map((column, index) => {
      const cell = cells[index] ?? '';
      const space = ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell)));
      return column.right === true ? space + cell : index === columns.length - 1 ? cell : cell + space;
    });
    return padded.join('  ').trimEnd();
  };
  return [line(columns.map(({ title }) => style.dim(title))), ...rows.map(line)].map((text) => cut(text, width));
}

/** Names and values under each other: `stage      Production`. */
export function factLines(facts: readonly (readonly [string, string])[], style: Style): string[] {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${style.dim(name.padEnd(width))}  ${value}`);
}
