import { invalid } from '../http/request-error.js';
import type { InferRequest } from './oip-request.js';
import { quote } from './oip-request.js';

/** What a request says about when it wants to be answered, in the terms of a `PredictionCall`. */
export type Schedule = { readonly priority?: number; readonly deadlineMs?: number };

const noPolicy: Schedule = Object.freeze({});

/** Reads the protocol's parameters `priority` (1 is first) and `timeout` (microseconds from `arrivedMs`; 0 is none). */
export function scheduleOf(parameters: InferRequest['parameters'], arrivedMs: number): Schedule {
  const { priority, timeout } = parameters;
  if (priority === undefined && timeout === undefined) return noPolicy;
  const level = whole('priority', priority);
  const timeoutUs = whole('timeout', timeout);
  return {
    ...(level === 0 ? {} : { priority: level }),
    ...(timeoutUs === 0 ? {} : { deadlineMs: arrivedMs + timeoutUs / 1000 }),
  };
}

function whole(name: string, value: string | number | boolean | undefined): number {
  if (value === undefined) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalid(`parameters.${name} is ${quote(value)}: a whole number of 0 or more is expected`);
  return value;
}
