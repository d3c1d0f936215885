import { Worker } from 'node:worker_threads';
import { RequestError } from '../http/request-error.js';
import { threadProgram } from '../thread-program.js';
import type { ReadAnswer, ReadCall } from './body-messages.js';
import { restored } from './condensed-request.js';
import type { InferBody, ReadBody } from './infer-body.js';
import { readInferBody } from './infer-body.js';

export type BodyReaderOptions = {
  readonly maxJsonDepth: number;
  /** JSON bodies of at least this size are read in a thread. */
  readonly threadBytes: number;
  /** The thread's program; null for the one beside the gateway's code. */
  readonly program: string | null;
};

type Waiting = { readonly body: Buffer; resolve(read: ReadBody): void; reject(error: Error): void };

/** Beyond this the thread ends, and what it reads is refused. */
const heapMiB = 1_024;

/**
 * Reads inference bodies: at once, or, where that would keep the event loop for longer than others should wait, in one
 * thread, one body after the other. The thread is started by the first such body.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Promise<Worker> | null = null;
  #next = 0;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
  }

  /** Throws or rejects with a `RequestError` that names the place. */
  read(given: InferBody): ReadBody | Promise<ReadBody> {
    const { threadBytes, maxJsonDepth } = this.#options;
    if (given.headLength !== undefined || given.body.length < threadBytes) return readInferBody(given, maxJsonDepth);
    return this.#readInThread(given.body).catch((error: unknown) => {
      // A thread that cannot be had is a fault of ours: the body is read here then, however long it takes.
      if (error instanceof RequestError) throw error;
      return readInferBody(given, maxJsonDepth);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await (await worker?.catch(() => null))?.terminate();
  }

  async #readInThread(body: Buffer): Promise<ReadBody> {
    this.#worker ??= this.#start();
    const worker = await this.#worker;
    return new Promise<ReadBody>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { body, resolve, reject });
      worker.ref();
      worker.postMessage({ id, body, maxJsonDepth: this.#options.maxJsonDepth } satisfies ReadCall);
    });
  }

  async #start(): Promise<Worker> {
    const program = await threadProgram('./oip/body-thread', this.#options.program);
    const worker = new Worker(program, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: heapMiB } });
    worker.unref();
    worker.on('message', (answer: ReadAnswer) => this.#answered(worker, answer));
    // Without memory, or without its program: the next body finds another thread.
    const ended = (error: Error): void => {
      this.#worker = null;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on('error', (error) => ended(isOutOfMemory(error) ? tooMuch() : new Error(`the reading thread failed: ${String(error)}`)));
    worker.on('exit', () => ended(new Error('the reading thread ended')));
    return worker;
  }

  #answered(worker: Worker, answer: ReadAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) worker.unref();
    switch (answer.kind) {
      case 'read':
        return waiting?.resolve({ kind: 'request', request: restored(answer.request, waiting.body) });
      case 'refused':
        return waiting?.reject(new RequestError(answer.errorKind, answer.message));
      case 'failed':
        return waiting?.reject(new Error(answer.message));
    }
  }
}

const isOutOfMemory = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';

function tooMuch(): RequestError {
  return new RequestError('invalidRequest', `the body takes more than ${heapMiB} MiB to be read: send fewer values, or binary tensors`);
}
