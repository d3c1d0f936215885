import { type Figure, type Report, report } from '../report.js';
import { beforeFlood, type Cell, health, healthBesideLarge, healthInFlood, withSlow } from './measure.js';
import { binary32, floods, one, rows32, sixteen, sixtyFour } from './shapes.js';
import { find } from './table.js';

/** The bars of the gateway; those whose servers were not measured are left out. `bareMs` is one `session.run` alone. */
export function barsOf(cells: readonly Cell[], bareMs: number): Report {
  const figures: Figure[] = [];
  const get = (server: string, shape: string, of: (cell: Cell) => number): number | null => {
    const cell = find(cells, server, shape);
    return cell === undefined ? null : of(cell);
  };
  const rate = (server: string, shape: string): number | null => get(server, shape, ({ perSecond }) => perSecond);
  const times = (name: string, [value, base]: readonly [number | null, number | null], atLeast: number): void => {
    if (value !== null && base !== null) figures.push({ name, value: value / base, unit: 'times', atLeast });
  };
  for (const { name } of [sixteen, sixtyFour]) {
    times(`${name} connections, against MLServer`, [rate('gateway', name), rate('mlserver', name)], 10);
    times(`${name} connections, against FastAPI`, [rate('gateway', name), rate('fastapi', name)], 4);
    times(`${name} connections, against the empty echo`, [rate('gateway', name), rate('echo', name)], 0.65);
    const p99 = get('gateway', name, (cell) => cell.p99);
    const p50 = get('mlserver', name, (cell) => cell.p50);
    if (p99 !== null && p50 !== null)
      figures.push({ name: `${name} connections, P99 against MLServer's P50`, value: p99, unit: 'ms', limit: p50 });
  }
  times('32 rows, against MLServer', [rate('gateway', rows32.name), rate('mlserver', rows32.name)], 2);
  times('32 rows, against the plain Node server', [rate('gateway', rows32.name), rate('plain', rows32.name)], 1);
  times('32 rows binary, against our own JSON', [rate('gateway', binary32.name), rate('gateway', rows32.name)], 3);
  const single = get('gateway', one.name, (cell) => cell.p50);
  const echo = get('echo', one.name, (cell) => cell.p50);
  if (single !== null && echo !== null)
    figures.push({ name: '1 connection, P50 beyond session.run and the echo', value: single - echo - bareMs, unit: 'ms', limit: 0.1 });
  // The load itself takes a core where requests are cheap: two processes need another one. Requests of 32 rows leave it to them.
  times('2 processes against one, 32 rows', [rate('gateway, 2 processes', rows32.name), rate('gateway', rows32.name)], 1);
  const alone = get('gateway', sixteen.name, (cell) => cell.p99);
  const beside = get('gateway', withSlow, (cell) => cell.p99);
  if (alone !== null && beside !== null)
    figures.push({ name: 'P99 beside a model of 20 ms, against alone', value: beside / alone, unit: 'times', limit: 2 });
  const slowest = get('gateway', health, (cell) => cell.p99);
  if (slowest !== null) figures.push({ name: 'slowest health answer at 64 connections', value: slowest, unit: 'ms', limit: 50 });
  for (const [shape, what] of [
    [healthInFlood, 'slowest health answer beside 5,000 connections'],
    [healthBesideLarge, 'slowest health answer beside 10,000 rows'],
  ] as const) {
    const alive = get('gateway', shape, (cell) => cell.p99);
    if (alive !== null) figures.push({ name: what, value: alive, unit: 'ms', limit: 50 });
  }
  for (const [server, what] of [
    ['gateway', ''],
    ['gateway, ONNX Runtime', ', not compiled'],
  ] as const)
    for (const { name } of floods) times(`${name}, against 64${what}`, [rate(server, name), rate(server, beforeFlood)], 0.8);
  return report('gateway', figures);
}
