import { invalid } from '../http/request-error.js';
import type { Signature } from '../plans/serving-plan.js';
import type { Format } from '../sagemaker/request-body.js';
import { readRequestBody } from '../sagemaker/request-body.js';
import { readGenerate } from '../streams/generate-form.js';
import type { PredictFormat } from '../v1/predict-body.js';
import { readPredictBody } from '../v1/predict-body.js';
import { readInferBody, readRowsRequest } from './infer-body.js';
import type { InferRequest } from './oip-request.js';

/** What a body is, with what the headers say of it: the forms that any endpoint takes. */
export type BodyForm =
  /** Of the Open Inference Protocol: for `infer`, and in JSON alone for `infer_stream`. */
  | { readonly kind: 'infer'; readonly headLength: string | string[] | undefined }
  | { readonly kind: 'inferRows' }
  | { readonly kind: 'generate' }
  /** Of TensorFlow Serving. */
  | { readonly kind: 'predict' }
  /** Of SageMaker's runtime. */
  | { readonly kind: 'invocation'; readonly contentType: string; readonly headLength: string | string[] | undefined };

/** How an answer holds its rows where the request decides that; null where the endpoint does. */
export type AnswerFormat = Format | PredictFormat | null;

export type FormRead = { readonly request: InferRequest; readonly format: AnswerFormat };

/** What a body is read by. */
export type FormReading = { readonly signature: Signature; readonly maxJsonDepth: number };

/** Reads a body of any form, all of it. Throws a `RequestError` that names the place. */
export function readForm(form: BodyForm, body: Buffer, { signature, maxJsonDepth }: FormReading): FormRead {
  switch (form.kind) {
    case 'infer': {
      const read = readInferBody({ body, headLength: form.headLength }, maxJsonDepth);
      return { request: read.kind === 'raw' ? read.read(signature) : read.request, format: null };
    }
    case 'inferRows':
      return { request: readRowsRequest(body, maxJsonDepth), format: null };
    case 'generate':
      return { request: readGenerate(body, signature, maxJsonDepth), format: null };
    case 'predict': {
      const read = readPredictBody(body, maxJsonDepth);
      return { request: read.read(signature), format: read.format };
    }
    case 'invocation': {
      const read = readRequestBody({ body, contentType: form.contentType, headLength: form.headLength, maxJsonDepth });
      if (read.kind === 'session')
        throw invalid(`the body has ${body.length} bytes: one that opens or closes a session has its "requestType" alone`);
      return { request: read.read(signature), format: read.format };
    }
  }
}
