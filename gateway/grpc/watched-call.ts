import type { Metadata } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { requestErrorOf } from '../http/reply.js';
import type { PredictionAnswer, Predictor } from '../prediction/predictor.js';
import type { RequestWatch } from '../watching/request-watch.js';
import { callTraceEnd, isServerFault } from './call-trace.js';
import { statusOf } from './status.js';

export type WatchDeps = {
  readonly predictor: Pick<Predictor, 'predict' | 'traced'>;
  readonly watch: Pick<RequestWatch, 'begin' | 'called'>;
};

export type WatchedCall = { readonly rpc: string; readonly metadata: Metadata; readonly arrivedMs: number };

const noHeaders = {};

/** Lets `ask` predict; the call is traced where its metadata or chance want it, and logged where it fails or is slow. */
export async function watchedCall(
  { predictor, watch }: WatchDeps,
  { rpc, metadata, arrivedMs }: WatchedCall,
  ask: (predictor: Pick<Predictor, 'predict'>) => Promise<PredictionAnswer>,
): Promise<PredictionAnswer> {
  const header = (name: string): string | undefined => {
    const [value] = metadata.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  const traceparent = header('traceparent');
  const headers = traceparent === undefined ? noHeaders : { traceparent, tracestate: header('tracestate') };
  const trace = watch.begin(headers, arrivedMs);
  const called = (code: status): void =>
    watch.called({ rpc, code: status[code]!, failed: isServerFault(code), end: () => callTraceEnd(rpc, code), headers, arrivedMs, trace });
  try {
    const answer = await ask(trace === null ? predictor : predictor.traced(trace));
    called(status.OK);
    return answer;
  } catch (error) {
    called(statusOf(requestErrorOf(error)).code);
    throw error;
  }
}
