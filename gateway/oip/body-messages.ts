import type { RequestErrorKind } from '../http/request-error.js';
import type { SubmissionHead } from '../jobs/submission.js';
import type { Signature } from '../plans/serving-plan.js';
import type { Label } from '../prediction/labels.js';
import type { AnswerFormat, BodyForm } from './body-forms.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import type { Unfit } from './unfit-data.js';

/** What the thread is given to read, by its kind. */
export type Readings = {
  readonly form: { readonly form: BodyForm; readonly body: Uint8Array; readonly signature: Signature };
  readonly submission: { readonly body: Uint8Array };
  readonly keptJson: { readonly path: string };
  readonly labels: { readonly body: Uint8Array };
};
export type ReadingKind = keyof Readings;

/** What it makes of it. */
export type ReadResults = {
  readonly form: { readonly request: SentRequest; readonly format: AnswerFormat };
  readonly submission: SubmissionHead;
  readonly keptJson: SentKeptJson;
  readonly labels: readonly Label[];
};

/** Where the instances of a kept input lie in its file, or the request that it is. */
type SentKeptJson =
  { readonly kind: 'instances'; readonly places: Uint32Array<ArrayBuffer> } | { readonly kind: 'request'; readonly request: SentRequest };

/** To the reading thread. */
export type ReadCall = {
  readonly [Kind in ReadingKind]: {
    readonly id: number;
    readonly kind: Kind;
    readonly reading: Readings[Kind];
    readonly maxJsonDepth: number;
  };
}[ReadingKind];

/** An input as it passes between threads: where its rows and its bytes lie in the body, instead of the texts and bytes themselves. */
export type SentInput = Omit<RequestInput, 'rowTexts'> & {
  readonly rowBounds?: Uint32Array;
  readonly rawBounds?: readonly [from: number, to: number];
  /** In the place of data that do not agree with the shape. */
  readonly unfit?: Unfit;
};
export type SentRequest = Omit<InferRequest, 'inputs' | 'source'> & { readonly inputs: readonly SentInput[] };

/** From it: what was read, what is wrong with it, or a fault of ours. */
export type ReadAnswer =
  | { readonly kind: 'read'; readonly id: number; readonly result: ReadResults[ReadingKind] }
  | { readonly kind: 'refused'; readonly id: number; readonly errorKind: RequestErrorKind; readonly message: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };
