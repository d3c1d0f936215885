import type { RequestError } from '../http/request-error.js';
import { requestErrorOf } from '../http/reply.js';
import type { InferRequest } from '../oip/oip-request.js';
import type { PredictionAnswer, PredictionCall, Predictor } from '../prediction/predictor.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { inOrder } from './in-order.js';
import { rowsOf, someRows } from './request-rows.js';

/** What one part of a stream came to. */
export type StreamResult =
  { readonly kind: 'answer'; readonly answer: PredictionAnswer } | { readonly kind: 'error'; readonly error: RequestError };

/** How the requests of a stream are asked. */
export type StreamAsking = {
  /** When the first one arrived. */
  readonly arrivedMs: number;
  /** What is asked with one of them, taken up at `arrivedMs`. Throws a `RequestError`. */
  callOf(request: InferRequest, arrivedMs: number): Omit<PredictionCall, 'read'>;
};

/** Answers in order, begun: the first one is there, so that a call that fails at once fails as any other does. */
export type StreamedAnswers = { readonly first: PredictionAnswer; readonly rest: AsyncGenerator<StreamResult, void> };

/** Parts of one stream that are predicted at once: enough to be batched, few enough to leave room for others. */
const atOnce = 16;

/**
 * The rows of a request, each as a request of its own; the whole of it for a model whose first size is no rows. Throws a
 * `RequestError` when its inputs differ in rows.
 */
export async function* eachRow(request: InferRequest, plan: ServingPlan): AsyncGenerator<InferRequest, void> {
  if (!plan.batchable) return yield request;
  const rows = rowsOf(request);
  for (let row = 0; row < rows; row++) yield someRows(request, { from: row, rows: 1 });
}

/**
 * Predicts each request of a stream by itself and answers in their order. A request that cannot be read or answered is a
 * result like the others, but for the first one: its `RequestError` is thrown.
 */
export async function answerEach(
  predictor: Predictor,
  asking: StreamAsking,
  requests: AsyncIterable<InferRequest | RequestError>,
): Promise<StreamedAnswers | null> {
  const results = inOrder(starts(predictor, asking, requests), atOnce);
  const first = await results.next();
  if (first.done === true) return null;
  if (first.value.kind === 'answer') return { first: first.value.answer, rest: results };
  await results.return();
  throw first.value.error;
}

async function* starts(
  predictor: Predictor,
  { arrivedMs: firstMs, callOf }: StreamAsking,
  requests: AsyncIterable<InferRequest | RequestError>,
): AsyncGenerator<() => Promise<StreamResult>, void> {
  let arrivedMs = firstMs;
  for await (const request of requests) {
    const at = arrivedMs;
    yield () => answered(request, (taken) => predictor.predict({ ...callOf(taken, at), read: () => taken }));
    // The later ones count from when they were taken up, not from the beginning of the stream.
    arrivedMs = performance.now();
  }
}

async function answered(
  request: InferRequest | RequestError,
  predict: (request: InferRequest) => PredictionAnswer | Promise<PredictionAnswer>,
): Promise<StreamResult> {
  if (request instanceof Error) return { kind: 'error', error: request };
  try {
    return { kind: 'answer', answer: await predict(request) };
  } catch (error) {
    return { kind: 'error', error: requestErrorOf(error) };
  }
}
