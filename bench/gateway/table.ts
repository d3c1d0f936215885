import { binary32, floods, grpc16, jsonShapes } from './shapes.js';
import { beforeFlood, type Cell, health, healthBesideLarge, healthInFlood, withSlow } from './measure.js';

const titles: Readonly<Record<string, string>> = {
  echo: 'empty Node echo',
  plain: 'Node http, one session.run a request',
  gateway: 'Perennial gateway',
  'gateway, ONNX Runtime': 'Perennial gateway, trees not compiled',
  'gateway, 2 processes': 'Perennial gateway, 2 processes',
  mlserver: 'MLServer, ONNX in process',
  fastapi: 'FastAPI, orjson, onnxruntime',
};

/** Requests a second of each server in each shape, P50 and P99 in milliseconds, CPU of the server an answer: Markdown. */
export function showTable(cells: readonly Cell[]): string[] {
  const shapes = [...jsonShapes.map(({ name }) => name), binary32.name, grpc16.name];
  const servers = Object.keys(titles).filter((name) => cells.some(({ server }) => server === name));
  const lines = [
    ['requests a second (P50 / P99 ms, CPU µs a request)', ...shapes],
    [`---`, ...shapes.map(() => '---')],
  ];
  for (const server of servers) lines.push([titles[server]!, ...shapes.map((shape) => show(find(cells, server, shape)))]);
  const table = lines.map((line) => `| ${line.join(' | ')} |`);
  const beside = find(cells, 'gateway', withSlow);
  if (beside !== undefined) table.push('', `Fast model at 16 connections beside a model of 20 ms at 4: ${show(beside)}`);
  const live = find(cells, 'gateway', health);
  if (live !== undefined) table.push(`Health while 64 connections are busy: P50 ${ms(live.p50)}, slowest ${ms(live.p99)} ms`);
  for (const [shape, what] of [
    [healthInFlood, 'Health beside 5,000 connections that ask again at once'],
    [healthBesideLarge, 'Health beside bodies of 10,000 rows at 4 connections'],
  ] as const)
    for (const server of servers) {
      const alive = find(cells, server, shape);
      if (alive !== undefined) table.push(`${what}, ${titles[server]}: P50 ${ms(alive.p50)}, slowest ${ms(alive.p99)} ms`);
    }
  for (const server of ['echo', 'gateway', 'gateway, ONNX Runtime'])
    for (const { name } of [{ name: beforeFlood }, ...floods]) {
      const flooded = find(cells, server, name);
      if (flooded !== undefined) table.push(`${titles[server]}, ${name}: ${show(flooded)} answered`);
    }
  return table;
}

export function find(cells: readonly Cell[], server: string, shape: string): Cell | undefined {
  return cells.find((cell) => cell.server === server && cell.shape === shape);
}

function show(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  const cpu = cell.cpuMicros === null ? '' : `, ${cell.cpuMicros.toFixed(0)}`;
  return `${Math.round(cell.perSecond).toLocaleString('en')} (${ms(cell.p50)} / ${ms(cell.p99)}${cpu})`;
}

function ms(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}
