import type { InferRequest } from './oip-request.js';
import type { Signature } from '../plans/serving-plan.js';
import type { AnswerFormat, FormRead } from './body-forms.js';

/** A large body: nothing of it is read before the version that will answer is known, and then all of it, in the thread. */
export class LargeBody<Format extends AnswerFormat> {
  readonly kind = 'rows';
  readonly #readFor: (signature: Signature) => Promise<FormRead>;
  #format: AnswerFormat = null;

  constructor(readFor: (signature: Signature) => Promise<FormRead>) {
    this.#readFor = readFor;
  }

  /** How the answer holds its rows; null before the body was read. */
  get format(): Format | null {
    // A form has formats of its own.
    return this.#format as Format | null;
  }

  /** Rejects with a `RequestError` that names the place, also for what is wrong whatever the version takes. */
  async read(signature: Signature): Promise<InferRequest> {
    const { request, format } = await this.#readFor(signature);
    this.#format = format;
    return request;
  }
}
