import type { ExecutionProvider } from '../../domain/devices.js';
import type { NamedTensors, TensorMeta } from './tensors.js';

/** What a thread is started with. */
export type ThreadData = {
  /** Let go of when it is loaded. */
  model: Uint8Array | null;
  readonly requireFrom: string;
  readonly sessionOptions: Readonly<Record<string, string | number | readonly ExecutionProvider[]>>;
  /** Held by the one thread of the process that uses the provider, where it bears no more than one; null where it bears many. */
  readonly turn: Int32Array | null;
};

/** Gateway to thread. After `close` the thread ends when its last run is done. */
export type ThreadCall = { readonly kind: 'run'; readonly id: number; readonly feeds: NamedTensors } | { readonly kind: 'close' };

/** Thread to gateway. */
export type ThreadAnswer =
  | { readonly kind: 'ready'; readonly inputs: readonly TensorMeta[]; readonly outputs: readonly TensorMeta[] }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly outputs: NamedTensors }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };
