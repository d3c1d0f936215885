import type { NamedTensors, TensorMeta } from './tensors.js';

/** A loaded ONNX model that answers runs, wherever it lives. */
export type Runner = {
  readonly placement: 'inPlace' | 'thread';
  /** Runs that it works on at the same time; more than these wait inside of it. */
  readonly lanes: number;
  readonly inputs: readonly TensorMeta[];
  readonly outputs: readonly TensorMeta[];
  /** Rejects with ONNX Runtime's own message. Runs are answered in the order they were asked. */
  run(feeds: NamedTensors): Promise<NamedTensors>;
  /** The same within the turn, where a model gains nothing from runs of several requests. Throws what `run` rejects with. */
  runNow?(feeds: NamedTensors): NamedTensors;
  /** Frees the session; runs still waiting are rejected. */
  release(): Promise<void>;
};

/** Session options of every model: one thread (the gateway has many models), and no log lines for what a caller may cause. */
export const sessionOptions = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: 'sequential', logSeverityLevel: 4 } as const;
