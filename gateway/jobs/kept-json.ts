import { parseJsonText, textOf } from '../http/json-body.js';
import { invalid } from '../http/request-error.js';
import { exactInputs } from '../oip/exact-integers.js';
import type { InferRequest } from '../oip/oip-request.js';
import { isObject, readInferRequest } from '../oip/oip-request.js';

/** A kept input of JSON: instances, by their places in its bytes, or a request. */
export type KeptJson =
  | {
      readonly kind: 'instances';
      /** Where each instance begins, and after the last one its end: an instance reaches to the byte before the next one's place. */
      readonly places: Uint32Array<ArrayBuffer>;
    }
  | { readonly kind: 'request'; readonly request: InferRequest };

/** Reads a kept input of JSON, all of it. Throws a `RequestError` for one that cannot be read at all. */
export function readKeptJson(json: Buffer, maxJsonDepth: number): KeptJson {
  const text = textOf(json);
  const body = parseJsonText(text, maxJsonDepth);
  if (!isObject(body) || !Array.isArray(body['instances']))
    return { kind: 'request', request: exactInputs(readInferRequest(body, { text })) };
  if (body['instances'].length === 0) throw invalid('instances is empty: a list of at least one instance is expected');
  return { kind: 'instances', places: placesOf(json, startOfInstances(json)) };
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;

/** Index after the bracket that opens the list of instances. The bytes are known to be JSON that has one. */
function startOfInstances(json: Buffer): number {
  let depth = 0;
  for (let i = 0; ; i++) {
    const byte = json[i]!;
    if (isOpening(byte)) depth++;
    else if (isClosing(byte)) depth--;
    else if (byte === quote) {
      const end = endOfText(json, i);
      const next = afterBlanks(json, end);
      const isName = depth === 1 && json[next] === colon;
      if (isName && JSON.parse(json.toString('utf8', i, end)) === 'instances') return afterBlanks(json, next + 1) + 1;
      i = end - 1;
    }
  }
}

function placesOf(json: Buffer, start: number): Uint32Array<ArrayBuffer> {
  const places = [start];
  let depth = 0;
  for (let i = start; ; i++) {
    const byte = json[i]!;
    if (byte === quote) i = endOfText(json, i) - 1;
    else if (isOpening(byte)) depth++;
    else if (isClosing(byte) && --depth < 0) {
      places.push(i + 1);
      return Uint32Array.from(places);
    } else if (byte === comma && depth === 0) places.push(i + 1);
  }
}

const isOpening = (byte: number): boolean => byte === 0x5b || byte === 0x7b;
const isClosing = (byte: number): boolean => byte === 0x5d || byte === 0x7d;

/** Index after the closing quote of the text that begins at `start`. */
function endOfText(json: Buffer, start: number): number {
  let i = start + 1;
  while (json[i] !== quote) i += json[i] === backslash ? 2 : 1;
  return i + 1;
}

function afterBlanks(json: Buffer, from: number): number {
  let i = from;
  while (json[i]! <= 0x20) i++;
  return i;
}
