import { expect, it } from 'vitest';
import type { ModelTrials, TrialTensors } from '../../activities/trial-ports.js';
import { createPackageTrials } from '../../gateway/models/package-trials.js';
import { passThrough } from '../support/signed-package.js';

/** A model that hands x on, on a machine where each run takes this long. */
function machine(runMs: number): ModelTrials {
  const tensor = (name: string) => ({ name, type: 'float32', shape: [1, 2] });
  return {
    open: async () => ({
      inputs: [tensor('x')],
      outputs: [tensor('y')],
      loadMs: 1,
      run: async ({ x }: TrialTensors, times) => ({ outputs: { y: x! }, runsMs: Array<number>(times).fill(runMs), bytes: 0, peakBytes: 0 }),
      close: async () => undefined,
    }),
    probe: async () => null,
    close: async () => undefined,
  };
}

it.each([
  [1, 200],
  [99, 200],
  [200, 100],
  [3_000, 6],
  [60_000, 1],
])('a model of %d ms a run is measured by %d runs, in some 20 seconds', async (runMs, runs) => {
  const contents = { model: new Uint8Array(), spec: passThrough({ model: 'm', input: 'x', output: 'y' }), example: null };
  expect((await createPackageTrials(machine(runMs)).ask(contents, 200)).runsMs).toEqual(Array(runs).fill(runMs));
});
