import type { GpuMonitor, GpuUsage } from '../../activities/device-ports.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import type { Exposition } from './exposition.js';

const families: readonly { readonly name: string; readonly help: string; readonly read: (usage: GpuUsage) => number | null }[] = [
  { name: 'nv_gpu_utilization', help: 'GPU utilization rate, 0 to 1', read: ({ utilization }) => utilization },
  { name: 'nv_gpu_memory_total_bytes', help: 'Total GPU memory', read: ({ memoryTotalBytes }) => memoryTotalBytes },
  { name: 'nv_gpu_memory_used_bytes', help: 'Used GPU memory, of all programs', read: ({ memoryUsedBytes }) => memoryUsedBytes },
  { name: 'nv_gpu_power_usage', help: 'GPU power usage in watts', read: ({ powerWatts }) => powerWatts },
];

/**
 * What the machine's GPUs have to do, under the names of NVIDIA's Triton. Asked for now and then in the background, so that
 * a scrape never waits for a driver. What was not told the last time has no series.
 */
export class GpuFigures {
  readonly #monitor: GpuMonitor;
  readonly #log: Log;
  #usages: readonly GpuUsage[] = [];
  #asking = false;
  #failing = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(monitor: GpuMonitor, log: Log) {
    this.#monitor = monitor;
    this.#log = log;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => void this.refresh(), everyMs);
    this.#timer.unref();
    void this.refresh();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never rejects. Where nobody knows of GPUs it is the last time. */
  async refresh(): Promise<void> {
    if (this.#asking) {
      // A driver that hangs keeps even a program that was killed.
      this.#usages = [];
      return;
    }
    this.#asking = true;
    try {
      const usages = await this.#monitor.sample();
      if (usages === null) this.close();
      this.#usages = usages ?? [];
      this.#failing = false;
    } catch (error) {
      this.#usages = [];
      if (!this.#failing) this.#log({ level: 'warn', event: 'gpusNotTold', reason: reasonOf(error) });
      this.#failing = true;
    } finally {
      this.#asking = false;
    }
  }

  write(text: Exposition): void {
    for (const { name, help, read } of families) {
      text.family(name, 'gauge', help);
      for (const usage of this.#usages) text.add({ gpu_uuid: usage.uuid, gpu: String(usage.index) }, read(usage));
    }
  }
}
