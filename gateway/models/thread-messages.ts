import type { NamedTensors, TensorMeta } from './tensors.js';

/** What a thread is started with. */
export type ThreadData = {
  readonly model: Uint8Array;
  readonly requireFrom: string;
  readonly sessionOptions: Readonly<Record<string, string | number>>;
};

/** Gateway to thread. After `close` the thread ends when its last run is done. */
export type ThreadCall = { readonly kind: 'run'; readonly id: number; readonly feeds: NamedTensors } | { readonly kind: 'close' };

/** Thread to gateway. `ms` is the run alone, without the way there and back. */
export type ThreadAnswer =
  | { readonly kind: 'ready'; readonly inputs: readonly TensorMeta[]; readonly outputs: readonly TensorMeta[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly outputs: NamedTensors; readonly ms: number }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };
