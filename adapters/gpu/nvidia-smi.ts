import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { GpuMonitor, GpuUsage } from '../../activities/device-ports.js';
import { PerennialError } from '../../domain/errors.js';

export type NvidiaSmiOptions = { readonly command?: string; readonly limitMs?: number };

const run = promisify(execFile);
const fields = ['uuid', 'index', 'utilization.gpu', 'memory.used', 'memory.total', 'power.draw'];
const mebibyte = 1024 * 1024;

/** GPUs as NVIDIA's own `nvidia-smi` tells of them. */
export function nvidiaSmi({ command = 'nvidia-smi', limitMs = 10_000 }: NvidiaSmiOptions = {}): GpuMonitor {
  return {
    async sample() {
      try {
        // A driver that hangs holds the program beyond any signal but this.
        const options = { timeout: limitMs, killSignal: 'SIGKILL' as const };
        const { stdout } = await run(command, [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'], options);
        return stdout
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map(usageOf);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
        const { message } = cause as Error;
        throw new PerennialError('Unavailable', `${command} does not tell of GPUs: ${message.split('\n')[0]}`, { cause });
      }
    },
  };
}

function usageOf(line: string): GpuUsage {
  const [uuid, index, utilization, used, total, watts] = line.split(',').map((part) => part.trim());
  if (uuid === undefined || watts === undefined) throw new Error(`a line that is none of its own: ${line.slice(0, 200)}`);
  const times = (text: string | undefined, factor: number): number | null => {
    // `[N/A]`, or `[Not Supported]`, where the card has no such counter.
    const number = Number(text);
    return text === undefined || text === '' || Number.isNaN(number) ? null : number * factor;
  };
  return {
    uuid,
    index: Number(index),
    utilization: times(utilization, 0.01),
    memoryUsedBytes: times(used, mebibyte),
    memoryTotalBytes: times(total, mebibyte),
    powerWatts: times(watts, 1),
  };
}
