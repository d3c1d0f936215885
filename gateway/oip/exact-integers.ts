import { randomBytes } from 'node:crypto';
import { replaceNumbers } from '../http/json-text.js';
import type { Signature } from '../plans/serving-plan.js';
import type { InferRequest } from './oip-request.js';

/** Stands before digits that were a number: not to be guessed, so that no text of a request is taken for one. */
const mark = `${randomBytes(12).toString('hex')}:`;
const longInteger = /^-?\d{16,}$/;
/** What may be an integer that JavaScript numbers round. */
export const longDigits = /\d{16}/;
const markedInteger = new RegExp(`"${mark}(-?\\d+)"`, 'g');

/**
 * The data of the input at `index` read again from the request's text, with every whole number of 16 or more digits as a
 * `bigint`: `JSON.parse` rounds integers beyond 2^53, INT64 and UINT64 do not. The text is a request that was read before.
 */
export function exactData(source: string, index: number): unknown {
  const { inputs } = JSON.parse(marked(source)) as { inputs: { data: unknown }[] };
  return asBigInts(inputs[index]!.data);
}

/** A JSON text with every whole number of 16 or more digits as a `bigint`. */
export function parseExact(text: string): unknown {
  return asBigInts(JSON.parse(marked(text)));
}

/**
 * A request that was read from a JSON text without datatypes in it, read anew where the plan has 64-bit integers and the text
 * some that JavaScript numbers may round; null elsewhere. `read` is given the text's value with those as `bigint`.
 */
export function exactRequest(plan: Signature, textOf: () => string, read: (value: unknown) => InferRequest): InferRequest | null {
  if (!plan.inputs.some(isLong)) return null;
  const text = textOf();
  if (!longDigits.test(text)) return null;
  const request = read(parseExact(text));
  return { ...request, inputs: request.inputs.map((input) => (isLong(input) ? input : { ...input, data: asNumbers(input.data) })) };
}

/** The request in a JSON text whose value is known: exact where the plan has 64-bit integers, else as `from` reads it of the value. */
export function readExactly<T>(
  plan: Signature,
  json: { text: string; value: T },
  from: (value: T, plan: Signature) => InferRequest,
): InferRequest {
  const exact = exactRequest(
    plan,
    () => json.text,
    (value) => from(value as T, plan),
  );
  return exact ?? from(json.value, plan);
}

/** A value as JSON, a `bigint` in it with all its digits. */
export function exactJson(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${mark}${part}` : part)) ?? 'null';
  return text.includes(mark) ? text.replaceAll(markedInteger, '$1') : text;
}

function marked(text: string): string {
  return replaceNumbers(text, (number) => (number.length >= 16 && longInteger.test(number) ? `"${mark}${number}"` : number));
}

/**
 * A request whose INT64 and UINT64 inputs hold what was written, for whoever takes its rows apart: the text that could tell
 * is of the whole request.
 */
export function exactInputs(request: InferRequest): InferRequest {
  const { source, inputs } = request;
  if (source === undefined) return request;
  const exact = inputs.map((input, index) =>
    isLong(input) && holdsRounded(input.data) ? { ...input, data: exactData(source, index) } : input,
  );
  return { ...request, inputs: exact, source: undefined };
}

const isLong = ({ datatype }: { readonly datatype: string }): boolean => datatype === 'INT64' || datatype === 'UINT64';

function asNumbers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asNumbers);
  return typeof value === 'bigint' ? Number(value) : value;
}

/** Whether a parsed number may stand for another integer than the one that was written. */
export function isRounded(value: unknown): boolean {
  return typeof value === 'number' && !Number.isSafeInteger(value) && Number.isInteger(value);
}

function holdsRounded(value: unknown): boolean {
  return Array.isArray(value) ? value.some(holdsRounded) : isRounded(value);
}

function asBigInts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asBigInts);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, asBigInts(part)]));
  return typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value;
}
