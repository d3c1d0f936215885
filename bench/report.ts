import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** One measured figure. */
export type Row = { readonly name: string; readonly value: number; readonly unit: string };
/** A figure that must not be above its limit, or, where `atLeast` is set, not below it. */
export type Bar = {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly atLeast?: true;
  readonly holds: boolean;
};
export type Report = { readonly bench: string; readonly rows: readonly Row[]; readonly bars: readonly Bar[] };

/** A figure, and, when there is one, the bar that it must stay below or reach. */
export type Figure = Row & { readonly limit?: number; readonly atLeast?: number };

/** Rows and bars of all figures; a bar has the name of its row. A figure that is no number holds no bar. */
export function report(bench: string, figures: readonly Figure[]): Report {
  return {
    bench,
    rows: figures.map(({ name, value, unit }) => ({ name, value: rounded(value), unit })),
    bars: figures.flatMap(({ name, value, limit, atLeast }): Bar[] => {
      if (atLeast !== undefined) return [{ name, value: rounded(value), limit: rounded(atLeast), atLeast: true, holds: value >= atLeast }];
      return limit === undefined ? [] : [{ name, value: rounded(value), limit: rounded(limit), holds: value <= limit }];
    }),
  };
}

/** The report as lines of one table. */
export function tableOf({ rows, bars }: Report): string[] {
  const limits = new Map(bars.map((bar) => [bar.name, bar]));
  const cells = [
    ['', 'measured', 'bar', ''],
    ...rows.map(({ name, value, unit }) => {
      const bar = limits.get(name);
      const limit = bar === undefined ? '' : `${bar.atLeast === true ? 'at least' : 'at most'} ${bar.limit} ${unit}`;
      return [name, `${value} ${unit}`, limit, bar === undefined ? '' : bar.holds ? 'holds' : 'DOES NOT HOLD'];
    }),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((line) => line[column]!.length)));
  return cells.map(([name, value, limit, verdict]) =>
    [name!.padEnd(widths[0]!), value!.padStart(widths[1]!), limit!.padStart(widths[2]!), verdict].join('   ').trimEnd(),
  );
}

/** The machine that measured, in a line. */
export function machine(): string {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const load = loadavg()[0]?.toFixed(1);
  return `${availableParallelism()} cores of ${cpus()[0]?.model ?? 'an unknown processor'}, ${gibibytes} GiB, Node ${process.version}, load of the last minute ${load}`;
}

/** The middle one, or the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
}

/** Three decimals below 10, one below 1,000: more would be noise. */
function rounded(value: number): number {
  const decimals = Math.abs(value) < 10 ? 3 : Math.abs(value) < 1_000 ? 1 : 0;
  return Number(value.toFixed(decimals));
}
