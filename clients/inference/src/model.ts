import type { Answer } from './answer.js';
import type { CallOptions, InferenceClient, InferOptions, Label, LabelOutcome, StreamEvent } from './client.js';
import type { InputsOf, ModelSignature, OutputsOf } from './signature.js';
import { isOfAnother } from './errors.js';
import { tensorsOf } from './signature.js';

/** One model of a server, asked by the names and types of its signature. */
export class Model<S extends ModelSignature> {
  readonly name: S['name'];
  readonly #client: InferenceClient;
  #signature: Promise<ModelSignature> | null;

  constructor(client: InferenceClient, of: S | S['name']) {
    this.#client = client;
    this.name = typeof of === 'string' ? of : of.name;
    this.#signature = typeof of === 'string' ? null : Promise.resolve(of);
  }

  /** Asks the model: a flat list of elements for each input, or `{ shape, data }`. Throws an `InferenceError`. */
  async infer(inputs: InputsOf<S>, options: InferOptions = {}): Promise<Answer<OutputsOf<S>>> {
    const tensors = tensorsOf(await this.#signed(options), inputs);
    return (await this.#client.infer(this.name, tensors, options)) as Answer<OutputsOf<S>>;
  }

  /** Asks for the rows of a request one by one. */
  async *inferStream(inputs: InputsOf<S>, options: InferOptions = {}): AsyncGenerator<StreamEvent<Answer<OutputsOf<S>>>, void> {
    const tensors = tensorsOf(await this.#signed(options), inputs);
    yield* this.#client.inferStream(this.name, tensors, options) as AsyncGenerator<StreamEvent<Answer<OutputsOf<S>>>, void>;
  }

  isReady(options: CallOptions = {}): Promise<boolean> {
    return this.#client.isModelReady(this.name, options);
  }

  /** Perennial: tells what really happened. */
  label(labels: readonly Label[], options: CallOptions = {}): Promise<readonly LabelOutcome[]> {
    return this.#client.label(this.name, labels, options);
  }

  /** The signature that was given, or that of the server, asked for once. */
  async #signed({ timeoutMs, signal }: CallOptions): Promise<ModelSignature> {
    const call = { ...(timeoutMs === undefined ? {} : { timeoutMs }), ...(signal === undefined ? {} : { signal }) };
    const joined = this.#signature !== null;
    const asked = (this.#signature ??= this.#client.modelMetadata(this.name, call));
    try {
      return await asked;
    } catch (error) {
      if (this.#signature === asked) this.#signature = null;
      if (joined && isOfAnother(error, signal)) return this.#signed(call);
      throw error;
    }
  }
}
