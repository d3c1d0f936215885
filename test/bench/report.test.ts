import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { endedChildrenCpuSeconds, treeCpuSeconds } from '../../bench/cpu-seconds.js';
import { median, report, tableOf } from '../../bench/report.js';

describe('report', () => {
  it('makes a bar of each figure with a limit, and holds it only at or below', () => {
    const { rows, bars } = report('lifecycle', [
      { name: 'plain', value: 12.345_67, unit: 's' },
      { name: 'at the limit', value: 3, unit: 's', limit: 3 },
      { name: 'above', value: 3.000_1, unit: 's', limit: 3 },
      { name: 'not measured', value: NaN, unit: 's', limit: 3 },
    ]);
    expect(rows.map(({ value }) => value)).toEqual([12.3, 3, 3, NaN]);
    expect(bars.map(({ name, holds }) => [name, holds])).toEqual([
      ['at the limit', true],
      ['above', false],
      ['not measured', false],
    ]);
  });

  it('holds a bar to reach only at or above', () => {
    const { bars } = report('gateway', [
      { name: 'reached', value: 10, unit: 'times', atLeast: 10 },
      { name: 'below', value: 9.99, unit: 'times', atLeast: 10 },
      { name: 'not measured', value: NaN, unit: 'times', atLeast: 10 },
    ]);
    expect(bars.map(({ holds }) => holds)).toEqual([true, false, false]);
  });

  it('says in its table which limit does not hold', () => {
    const table = tableOf(report('lifecycle', [{ name: 'ten steps', value: 400, unit: 'ms', limit: 350 }]));
    expect(table.at(-1)).toBe('ten steps     400 ms   at most 350 ms   DOES NOT HOLD');
  });

  it('takes the middle of several runs', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe.runIf(process.platform === 'linux')('CPU seconds', () => {
  it('count a child that works, its own children, and what ended', async () => {
    const work = 'let x = 0; for (const end = process.cpuUsage().user + 3e5; process.cpuUsage().user < end; ) x++;';
    const parent = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(work)}]);
      process.stdout.write('done'); setTimeout(() => {}, 60_000);`;
    const before = endedChildrenCpuSeconds() ?? NaN;
    const child = spawn(process.execPath, ['-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(treeCpuSeconds([child.pid!])).toBeGreaterThanOrEqual(0.3);
    const ended = once(child, 'exit');
    child.kill();
    await ended;
    expect(endedChildrenCpuSeconds()! - before).toBeGreaterThanOrEqual(0.3);
    expect(treeCpuSeconds([child.pid!])).toBe(0);
  });
});
