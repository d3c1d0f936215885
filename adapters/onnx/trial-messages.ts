import type { TrialTensors, TrialValue } from '../../activities/trial-ports.js';
import type { ExecutionProvider } from '../../domain/devices.js';

/** To the trial process; each is answered once, in order. */
export type TrialCall =
  /** Has a model that any provider can run opened with these, and what follows too. Answered as `unload` is. */
  | { readonly kind: 'use'; readonly executionProviders: readonly ExecutionProvider[] }
  | { readonly kind: 'load'; readonly path: string }
  | { readonly kind: 'run'; readonly feeds: TrialTensors; readonly times: number }
  | { readonly kind: 'unload' };

/** From the trial process. `bytes` is what the model holds, `peakBytes` what it held at most since it was loaded. */
export type TrialAnswer =
  /** After the start, `use` and `unload`. `virtualBytes` is null where the system does not tell. */
  | { readonly kind: 'empty'; readonly virtualBytes: number | null; readonly residentBytes: number; readonly cpuSeconds: number }
  | {
      readonly kind: 'loaded';
      readonly inputs: readonly TrialValue[];
      readonly outputs: readonly TrialValue[];
      readonly ms: number;
    }
  | {
      readonly kind: 'ran';
      readonly outputs: TrialTensors;
      readonly runsMs: readonly number[];
      readonly bytes: number;
      readonly peakBytes: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };
