import type { RequestErrorKind } from '../http/request-error.js';
import type { Signature } from '../plans/serving-plan.js';
import type { AnswerFormat, BodyForm } from './body-forms.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import type { Unfit } from './unfit-data.js';

/** To the reading thread: a body, what it is, and what it is read by. */
export type ReadCall = {
  readonly id: number;
  readonly body: Uint8Array;
  readonly form: BodyForm;
  readonly signature: Signature;
  readonly maxJsonDepth: number;
};

/** An input as it passes between threads: where its rows and its bytes lie in the body, instead of the texts and bytes themselves. */
export type SentInput = Omit<RequestInput, 'rowTexts'> & {
  readonly rowBounds?: Uint32Array;
  readonly rawBounds?: readonly [from: number, to: number];
  /** In the place of data that do not agree with the shape. */
  readonly unfit?: Unfit;
};
export type SentRequest = Omit<InferRequest, 'inputs' | 'source'> & { readonly inputs: readonly SentInput[] };

/** From it: the request, what is wrong with it, or a fault of ours. */
export type ReadAnswer =
  | { readonly kind: 'read'; readonly id: number; readonly request: SentRequest; readonly format: AnswerFormat }
  | { readonly kind: 'refused'; readonly id: number; readonly errorKind: RequestErrorKind; readonly message: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };
