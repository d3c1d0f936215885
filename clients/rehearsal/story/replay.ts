import { join } from 'node:path';
import type { World } from '../../cli/up/world.js';
import type { DriverOrder } from '../driver-messages.js';
import { type DriverEnd, type RunningDriver, startDriver } from '../driver-process.js';
import { ReplayLine } from '../view/replay-line.js';
import type { Teller } from './teller.js';
import { unlessInterrupted } from './teller.js';

const hourMs = 3_600_000;

/** The replay under way: its line for the screen, and its end. */
export type Replay = { readonly line: ReplayLine; readonly driver: RunningDriver };

/** Where the source files of definitions lie. */
export function dataFolderOf({ env, tools }: Pick<World, 'env' | 'tools'>): string {
  return env['PERENNIAL_DATA'] ?? join(tools, 'data');
}

/** Starts the driver; what troubles it is said once. */
export function startReplay({ world, stack, options, definition, screen, style }: Teller, untilMs: number | null): Replay {
  const order: DriverOrder = {
    model: definition.name,
    gatewayUrl: stack.gatewayUrl,
    apiUrl: stack.apiUrl,
    token: stack.token,
    dataFolder: dataFolderOf(world),
    untilMs,
    speed: options.speed,
    callers: options.callers,
    labelDelayMs: options.labelDelayHours * hourMs,
  };
  const line = new ReplayLine();
  let told = '';
  const driver = startDriver({ program: join(world.build, 'clients', 'rehearsal', 'driver-main.js'), order }, (report) => {
    line.hear(report);
    if (report.kind !== 'trouble' || report.message === told) return;
    told = report.message;
    screen.say(`${style.warn('!')} ${report.message}`);
  });
  return { line, driver };
}

/** Waits for the replay's end and keeps its figures. Ctrl-C ends it after the hour at hand. */
export async function endOfReplay({ record, signal }: Pick<Teller, 'record' | 'signal'>, { driver }: Replay): Promise<DriverEnd> {
  try {
    return await unlessInterrupted(signal, driver.ended);
  } finally {
    driver.stop();
    const end = await driver.ended.catch(() => null);
    if (end !== null) record.note({ requests: record.told.requests + end.requests, failed: record.told.failed + end.failed });
  }
}
