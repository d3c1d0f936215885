import { RequestError } from '../http/request-error.js';
import type { SentInput, SentRequest } from './body-messages.js';
import { exactInputs } from './exact-integers.js';
import { numbersOrList, unfitOf } from './fit-rows.js';
import { flatData } from './flat-data.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { RowTexts } from './row-texts.js';
import { UnfitData } from './unfit-data.js';

/** What is given away with a message, and not copied. */
type Transfer = ArrayBuffer[];

/**
 * A request as it passes between threads: numbers in typed arrays, which are given away and not copied, and no text, as
 * integers are exact already. Data that disagree with their shape go as what is wrong with them.
 */
export function condensed(request: InferRequest, body: Buffer): { readonly request: SentRequest; readonly transfer: Transfer } {
  const { id, parameters, outputs, inputs } = exactInputs(request);
  const transfer: Transfer = [];
  const sent = inputs.map((input): SentInput => {
    const { name, datatype, shape, raw, rowTexts } = input;
    if (raw !== undefined) return { name, datatype, shape, data: undefined, ...sentBytes(raw, body, transfer) };
    const data = plainData(input);
    if (data instanceof UnfitData) return { name, datatype, shape, data: undefined, unfit: data.unfit };
    if (data instanceof Float64Array) transfer.push(data.buffer as ArrayBuffer);
    if (rowTexts === undefined) return { name, datatype, shape, data };
    const rowBounds = rowTexts.bounds;
    transfer.push(rowBounds.buffer);
    return { name, datatype, shape, data, rowBounds };
  });
  return { request: { id, parameters, outputs, inputs: sent }, transfer };
}

/** The request again, with the body that it came in. */
export function restored({ inputs, ...request }: SentRequest, body: Buffer): InferRequest {
  return {
    ...request,
    inputs: inputs.map(({ rowBounds, rawBounds, unfit, ...input }) => {
      if (rowBounds !== undefined) return { ...input, rowTexts: new RowTexts(body, rowBounds) };
      if (rawBounds !== undefined) return { ...input, raw: body.subarray(...rawBounds) };
      return unfit === undefined ? input : { ...input, data: new UnfitData(unfit) };
    }),
  };
}

/** Bytes that the body has in one piece go by their place in it. Not those of a shared one, which a model does not take. */
function sentBytes(raw: Uint8Array, body: Buffer, transfer: Transfer): Pick<SentInput, 'raw' | 'rawBounds'> {
  if (raw.buffer === body.buffer && raw.buffer instanceof ArrayBuffer) {
    const from = raw.byteOffset - body.byteOffset;
    return { rawBounds: [from, from + raw.length] };
  }
  const own = raw.length === raw.buffer.byteLength && raw.buffer instanceof ArrayBuffer ? raw : new Uint8Array(raw);
  transfer.push(own.buffer as ArrayBuffer);
  return { raw: own };
}

/** Elements in one list; numbers as an array of their own kind, unless one of them needs more than that can hold. */
function plainData(input: RequestInput): unknown {
  const { data, shape } = input;
  if (data instanceof Float64Array || (!Array.isArray(data) && shape.length === 0)) return data;
  let flat: readonly unknown[];
  try {
    flat = flatData(input);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return new UnfitData(unfitOf(input, error.message));
  }
  // A list in a flat list would be taken for a row of a nested one.
  return Array.isArray(flat[0]) ? data : numbersOrList(flat);
}
