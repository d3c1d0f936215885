import type { RequestErrorKind } from '../http/request-error.js';
import type { InferRequest, RequestInput } from './oip-request.js';

/** To the reading thread: a body in JSON. */
export type ReadCall = { readonly id: number; readonly body: Uint8Array; readonly maxJsonDepth: number };

/** An input as it passes between threads: where its rows lie in the body, instead of the texts themselves. */
export type SentInput = Omit<RequestInput, 'rowTexts'> & { readonly rowBounds?: Uint32Array };
export type SentRequest = Omit<InferRequest, 'inputs' | 'source'> & { readonly inputs: readonly SentInput[] };

/** From it: the request, what is wrong with it, or a fault of ours. */
export type ReadAnswer =
  | { readonly kind: 'read'; readonly id: number; readonly request: SentRequest }
  | { readonly kind: 'refused'; readonly id: number; readonly errorKind: RequestErrorKind; readonly message: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };
