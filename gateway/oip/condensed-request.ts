import type { SentInput, SentRequest } from './body-messages.js';
import { exactInputs } from './exact-integers.js';
import { flatData } from './flat-data.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { RowTexts } from './row-texts.js';

/**
 * A request as it passes between threads: numbers in typed arrays, which are given away and not copied, and no text, as
 * integers are exact already. Throws a `RequestError` when an input's data disagrees with its shape.
 */
export function condensed(request: InferRequest): { readonly request: SentRequest; readonly transfer: ArrayBuffer[] } {
  const { id, parameters, outputs, inputs } = exactInputs(request);
  const transfer: ArrayBuffer[] = [];
  const sent = inputs.map((input): SentInput => {
    const { name, datatype, shape, rowTexts } = input;
    const data = plainData(input);
    if (data instanceof Float64Array) transfer.push(data.buffer as ArrayBuffer);
    if (rowTexts === undefined) return { name, datatype, shape, data };
    const rowBounds = rowTexts.bounds;
    transfer.push(rowBounds.buffer);
    return { name, datatype, shape, data, rowBounds };
  });
  return { request: { id, parameters, outputs, inputs: sent }, transfer };
}

/** The request again, with the body that it came in. */
export function restored({ inputs, ...request }: SentRequest, body: Uint8Array): InferRequest {
  return {
    ...request,
    inputs: inputs.map(({ rowBounds, ...input }) =>
      rowBounds === undefined ? input : { ...input, rowTexts: new RowTexts(body, rowBounds) },
    ),
  };
}

/** Elements in one list; numbers as an array of their own kind, unless one of them needs more than that can hold. */
function plainData(input: RequestInput): unknown {
  const { data, shape } = input;
  if (data instanceof Float64Array || (!Array.isArray(data) && shape.length === 0)) return data;
  const flat = flatData(input);
  return flat.every((value) => typeof value === 'number') ? Float64Array.from(flat as readonly number[]) : flat;
}
