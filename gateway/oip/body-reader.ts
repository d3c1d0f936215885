import { Worker } from 'node:worker_threads';
import { RequestError } from '../http/request-error.js';
import { ownTurn } from '../own-turn.js';
import type { Signature } from '../plans/serving-plan.js';
import { threadProgram } from '../thread-program.js';
import type { AnswerFormat, BodyForm, FormRead } from './body-forms.js';
import type { ReadAnswer, ReadCall, ReadingKind, Readings, ReadResults } from './body-messages.js';
import { restored } from './condensed-request.js';
import type { InferBody, ReadBody } from './infer-body.js';
import { headLengthOf, readInferBody } from './infer-body.js';
import { LargeBody } from './large-body.js';
import { readLarge } from './thread-readings.js';

export type BodyReaderOptions = {
  readonly maxJsonDepth: number;
  /** Bodies of at least this size are read in a thread. */
  readonly threadBytes: number;
  /** The thread's program; null for the one beside the gateway's code. */
  readonly program: string | null;
  /** Beyond this the thread ends, and what it reads is refused. */
  readonly heapMiB?: number;
};

type Waiting = { resolve(result: ReadResults[ReadingKind]): void; reject(error: Error): void };

const usualHeapMiB = 1_024;

/** What a request with names and types in it is read by. */
export const noSignature: Signature = { inputs: [] };

/**
 * Reads bodies: at once, or, where that would keep the event loop for longer than others should wait, in one thread, one body
 * after the other. The thread is started by the first such body.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Promise<Worker> | null = null;
  #next = 0;
  #inThread = 0;

  constructor(options: BodyReaderOptions) {
    this.#options = options;
  }

  get #heapMiB(): number {
    return this.#options.heapMiB ?? usualHeapMiB;
  }

  /** Bodies that the thread has read, or refused, so far. */
  get readInThread(): number {
    return this.#inThread;
  }

  /** An inference body. Throws or rejects with a `RequestError` that names the place. */
  read(given: InferBody): ReadBody | Promise<ReadBody> {
    const { body, headLength } = given;
    const large = this.isLarge(body.length) && (headLength === undefined || this.isLarge(headLengthOf(headLength, body.length)));
    if (!large) return readInferBody(given, this.#options.maxJsonDepth);
    return this.#readForm({ kind: 'infer', headLength }, body, noSignature).then(({ request }) => ({ kind: 'request', request }));
  }

  /** Whether so many bytes of what is no plain number are read in the thread. */
  isLarge(bytes: number): boolean {
    return bytes > 0 && bytes >= this.#options.threadBytes;
  }

  /** A large body that is read for the version which answers. */
  large<Format extends AnswerFormat>(form: BodyForm, body: Buffer): LargeBody<Format> {
    return new LargeBody((signature) => this.#readForm(form, body, signature));
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await (await worker?.catch(() => null))?.terminate();
  }

  /** Has the thread read something large. What is made of it has a turn of its own. Rejects with a `RequestError`. */
  async ask<Kind extends ReadingKind>(kind: Kind, reading: Readings[Kind]): Promise<ReadResults[Kind]> {
    // A kind has results of its own.
    const call = { id: this.#next++, kind, reading, maxJsonDepth: this.#options.maxJsonDepth } as unknown as ReadCall;
    for (;;) {
      try {
        const result = await this.#askThread(call);
        await ownTurn();
        return result as ReadResults[Kind];
      } catch (error) {
        if (error instanceof RequestError) throw error;
        if (error instanceof OtherRefused) continue;
        // A thread that cannot be had is a fault of ours: it is read here then, however long it takes.
        return readLarge(call).result as ReadResults[Kind];
      }
    }
  }

  async #readForm(form: BodyForm, body: Buffer, { inputs }: Signature): Promise<FormRead> {
    // Of a plan the names, types and shapes alone: the rest are functions.
    const { request, format } = await this.ask('form', { form, body, signature: { inputs } });
    return { request: restored(request, body), format };
  }

  async #askThread(call: ReadCall): Promise<ReadResults[ReadingKind]> {
    this.#worker ??= this.#start();
    const worker = await this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject });
      worker.ref();
      worker.postMessage(call);
    });
  }

  async #start(): Promise<Worker> {
    const program = await threadProgram('./oip/body-thread', this.#options.program);
    const worker = new Worker(program, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: this.#heapMiB } });
    worker.unref();
    worker.on('message', (answer: ReadAnswer) => this.#answered(worker, answer));
    // Without memory, or without its program: the next body finds another thread.
    let isOver = false;
    const ended = (error: Error, others = error): void => {
      // It fails, and then it ends: what waits by then waits for the next one.
      if (isOver) return;
      isOver = true;
      this.#worker = null;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      // One after the other: the first one was being read.
      waiting.forEach(({ reject }, index) => reject(index === 0 ? error : others));
    };
    worker.on('error', (error) => {
      if (isOutOfMemory(error)) ended(tooMuch(this.#heapMiB), new OtherRefused());
      else ended(new Error(`the reading thread failed: ${String(error)}`));
    });
    worker.on('exit', () => ended(new Error('the reading thread ended')));
    return worker;
  }

  #answered(worker: Worker, answer: ReadAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) worker.unref();
    if (answer.kind !== 'failed') this.#inThread++;
    switch (answer.kind) {
      case 'read':
        return waiting?.resolve(answer.result);
      case 'refused':
        return waiting?.reject(new RequestError(answer.errorKind, answer.message));
      case 'failed':
        return waiting?.reject(new Error(answer.message));
    }
  }
}

/** The thread ended by what it read before this. */
class OtherRefused extends Error {}

const isOutOfMemory = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';

function tooMuch(heapMiB: number): RequestError {
  return new RequestError('invalidRequest', `the body takes more than ${heapMiB} MiB to be read: send fewer values, or binary tensors`);
}
