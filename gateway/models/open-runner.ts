import type { DevicePlace } from '../../domain/devices.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { threadProgram } from '../thread-program.js';
import { cutRuns } from './cut-runner.js';
import { loadInPlace } from './in-place-runner.js';
import type { Engine, Placement } from './placement.js';
import type { Runner } from './runner.js';
import { loadInThreads } from './thread-pool.js';
import { loadTrees } from './trees/tree-runner.js';

export type OpenOptions = {
  readonly engine: Engine;
  readonly placement: Placement;
  readonly plan: ServingPlan;
  /** The device that it was given; null for the CPU. */
  readonly on: DevicePlace | null;
  readonly config: Pick<GatewayConfig, 'inferenceThread' | 'loadLimitMs' | 'answerLimitMs'>;
};

/** Loads a model that was tried before, where it shall run. */
export async function openRunner(read: () => Promise<Uint8Array>, { engine, placement, plan, on, config }: OpenOptions): Promise<Runner> {
  if (placement.where === 'inPlace') {
    const model = await read();
    const runner = engine === 'compiledTrees' ? await loadTrees(model, plan.sample(1)) : await loadInPlace(model);
    return plan.batchable ? cutRuns(runner, placement.maxRows) : runner;
  }
  const program = await threadProgram('./models/inference-thread', config.inferenceThread);
  return loadInThreads({ read, program, on, limitMs: config.loadLimitMs, runLimitMs: config.answerLimitMs }, placement.threads);
}
