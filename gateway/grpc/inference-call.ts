import type { Metadata } from '@grpc/grpc-js';
import type { Cancel } from '../models/batcher.js';
import type { Caller } from '../access/credential.js';
import type { AccessCall } from '../access/access-control.js';
import { callerKey } from '../http/caller-key.js';
import { scheduleOf } from '../oip/schedule-policy.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { GrpcInferRequest } from './infer-request.js';
import type { WatchDeps } from './watched-call.js';
import { watchedCall } from './watched-call.js';

/** Lets a call through or throws (or rejects with) a `RequestError`. A promise only where there is something to wait for. */
export type Admission = (call: AccessCall) => Caller | null | Promise<Caller>;

export type InferenceDeps = WatchDeps & { readonly admit: Admission };

/** Content type of requests and answers, which are messages of the protocol. */
export const messageType = 'application/grpc+proto';

/** What the call of a request says beside what is in its message. */
export type CallContext = {
  readonly rpc: 'ModelInfer' | 'ModelStreamInfer';
  readonly metadata: Metadata;
  /** The request itself, as it came. */
  readonly message: Uint8Array;
  readonly arrivedMs: number;
  /** The call's deadline in epoch milliseconds, Infinity for none. */
  readonly deadline: Date | number;
  readonly cancel: Cancel;
};

/** Whether the caller of a call has gone. */
export class CallGone implements Cancel {
  readonly #call: { readonly cancelled: boolean };

  constructor(call: { readonly cancelled: boolean }) {
    this.#call = call;
  }

  get aborted(): boolean {
    return this.#call.cancelled;
  }
}

/** Answers one request for a prediction, in a call of its own or on a stream. Throws a `RequestError`. */
export function predictFor(deps: InferenceDeps, asked: GrpcInferRequest, context: CallContext): Promise<PredictionAnswer> {
  return watchedCall(deps, context, (predictor) => predict({ admit: deps.admit, predictor }, asked, context));
}

async function predict(
  { predictor, admit }: Pick<InferenceDeps, 'admit'> & { readonly predictor: Pick<Predictor, 'predict'> },
  asked: GrpcInferRequest,
  context: CallContext,
): Promise<PredictionAnswer> {
  const { model, version, request } = asked;
  const { metadata, message, arrivedMs, cancel } = context;
  const authorization = textOf(metadata, 'authorization');
  const admitted = admit({ authorization, apiKey: textOf(metadata, 'x-api-key'), role: 'predict', model });
  if (admitted instanceof Promise) await admitted;
  const key = callerKey(request.parameters['key'], textOf(metadata, 'x-perennial-key'));
  const schedule = scheduleOf(request.parameters, arrivedMs);
  const deadlineMs = Math.min(schedule.deadlineMs ?? Infinity, deadlineOf(context.deadline));
  const observed = { contentType: messageType, body: message };
  const prediction = { model, version, key, arrivedMs, cancel, observed, read: () => request, ...schedule };
  return predictor.predict(deadlineMs === Infinity ? prediction : { ...prediction, deadlineMs });
}

/** The first value of a key of the metadata that is text. */
export function textOf(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

/** A call's deadline by the clock of `performance.now()`. */
function deadlineOf(deadline: Date | number): number {
  return deadline === Infinity ? Infinity : performance.now() + (Number(deadline) - Date.now());
}
