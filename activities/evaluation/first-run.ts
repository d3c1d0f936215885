import { PerennialError } from '../../domain/errors.js';
import type { ModelTrials } from '../trial-ports.js';

/** Far above what a model of tables takes, far below what a worker's machine has. */
const limits = { memoryBytes: 4 * 1024 ** 3, limitMs: 120_000 };

/**
 * Loads a file that a trainer made, and runs it once, in a process of its own: one that crashes ONNX Runtime, hangs or eats
 * memory must not take the worker with it. Throws `ArtifactRejected` with the reason.
 */
export async function proveFirstRun(trials: ModelTrials, model: Uint8Array, width: number): Promise<void> {
  const trial = await trials.open(model, limits);
  try {
    const [input] = trial.inputs;
    // Another signature is told better by those who know what is expected.
    if (input?.type !== 'float32' || trial.inputs.length !== 1) return;
    await trial.run({ [input.name]: { type: 'float32', dims: [1, width], data: new Float32Array(width) } }, 1);
  } catch (cause) {
    // A model may refuse zeros; whether it answers real rows is seen next.
    if (cause instanceof PerennialError && cause.details['refusedBy'] === 'model') return;
    throw cause instanceof PerennialError && cause.type === 'ArtifactRejected'
      ? new PerennialError('ArtifactRejected', `model.onnx is not evaluated or packaged: ${cause.message}`, { cause })
      : cause;
  } finally {
    await trial.close();
  }
}
