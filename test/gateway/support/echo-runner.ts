import type { Runner } from '../../../gateway/models/runner.js';

/** A model in a thread that answers its input `x` as `y`. */
export const echoRunner: Runner = {
  placement: 'thread',
  lanes: 1,
  inputs: [],
  outputs: [],
  run: (feeds) => Promise.resolve({ y: feeds['x']! }),
  release: () => Promise.resolve(),
};
