import type { GatewayConfig } from '../gateway-config.js';
import { cutRuns } from './cut-runner.js';
import { loadInPlace } from './in-place-runner.js';
import type { Placement } from './placement.js';
import type { Runner } from './runner.js';
import { threadProgram } from './thread-program.js';
import { loadInThreads } from './thread-pool.js';

export type OpenOptions = {
  readonly placement: Placement;
  /** Whether runs may be cut along their first dimension. */
  readonly batchable: boolean;
  readonly config: Pick<GatewayConfig, 'inferenceThread' | 'loadLimitMs' | 'answerLimitMs'>;
};

/** Loads a model that was tried before, where it shall run. */
export async function openRunner(read: () => Promise<Uint8Array>, { placement, batchable, config }: OpenOptions): Promise<Runner> {
  if (placement.where === 'inPlace') {
    const runner = await loadInPlace(await read());
    return batchable ? cutRuns(runner, placement.maxRows) : runner;
  }
  const program = await threadProgram(config.inferenceThread);
  return loadInThreads({ read, program, limitMs: config.loadLimitMs, runLimitMs: config.answerLimitMs }, placement.threads);
}
