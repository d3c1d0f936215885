import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../http/request-error.js';

/** What the headers of a call to SageMaker's runtime say, checked in their form. Null where they say nothing. */
export type Invocation = {
  readonly contentType: string;
  /** The types of the answer asked for; null leaves it to the request's. */
  readonly accept: string | null;
  readonly customAttributes: string | null;
  readonly targetModel: string | null;
  readonly targetVariant: string | null;
  readonly component: string | null;
  readonly inferenceId: string | null;
  readonly sessionId: string | null;
};

/** Where an operation has its content types: `InvokeEndpoint` has them in plain HTTP headers, its siblings not. */
export type HeaderNames = { readonly contentType: string; readonly accept: string };

export const plainHeaders: HeaderNames = { contentType: 'content-type', accept: 'accept' };
export const streamHeaders: HeaderNames = { contentType: 'content-type', accept: 'x-amzn-sagemaker-accept' };
export const asyncHeaders: HeaderNames = { contentType: 'x-amzn-sagemaker-content-type', accept: 'x-amzn-sagemaker-accept' };

const prefix = 'x-amzn-sagemaker-';
const visibleAscii = /^[\x20-\x7e]*$/;
const maxCustomAttributes = 1024;

/** Reads and checks the headers. Throws a `RequestError` for one that is too long, or that asks for what is not here. */
export function readInvocation(headers: IncomingHttpHeaders, names: HeaderNames): Invocation {
  const read = (name: string, most = 256): string | null => {
    const value = headers[name];
    if (value === undefined || value === '') return null;
    const text = String(value);
    if (text.length > most || !visibleAscii.test(text))
      throw invalid(
        `header ${name} has ${text.length} characters: at most ${most} of visible US-ASCII are taken${text.length > most ? '' : ', and it holds others'}`,
      );
    return text;
  };
  const container = read(`${prefix}target-container-hostname`);
  if (container !== null)
    throw invalid(`there is no container ${JSON.stringify(container)}: this endpoint has one container; leave TargetContainerHostname out`);
  const explanations = read(`${prefix}enable-explanations`, 64);
  if (explanations !== null && explanations !== '`false`')
    throw invalid('this endpoint has no explainer: leave EnableExplanations out, or give `false`');
  const accept = read(names.accept, 1_024);
  return {
    contentType: read(names.contentType) ?? 'application/json',
    accept,
    customAttributes: read(`${prefix}custom-attributes`, maxCustomAttributes),
    targetModel: read(`${prefix}target-model`, 1_024),
    targetVariant: read(`${prefix}target-variant`),
    component: read(`${prefix}inference-component`),
    inferenceId: read(`${prefix}inference-id`),
    sessionId: read(`${prefix}session-id`),
  };
}
