/**
 * What a look at an ONNX file found before anything loads it. `external` is a tensor whose values lie in another file: ONNX
 * Runtime would read it from the disk of whoever loads the model, past digest and signature.
 */
export type OnnxLook =
  | { readonly kind: 'whole' }
  | { readonly kind: 'external'; readonly tensor: string; readonly location: string }
  | { readonly kind: 'broken'; readonly reason: string };

type Message = 'model' | 'training' | 'function' | 'graph' | 'node' | 'attribute' | 'sparse' | 'tensor';

/** The fields of onnx.proto that lead to a tensor, by message and field number. */
const leadsTo: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
};
const fieldOf = { irVersion: 1, graph: 7, tensorName: 8, externalData: 13, dataLocation: 14 } as const;
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** Protocol buffers themselves stop reading at this depth. */
const maxDepth = 100;

type Range = { readonly message: Message; readonly start: number; readonly end: number; readonly depth: number };

/**
 * Looks through every graph, subgraph, function and sparse tensor of the file. Reads each byte at most once, keeps nothing,
 * and never throws: what is no ONNX model is `broken`. Of a field that is given twice every occurrence counts.
 */
export function lookForExternalData(file: Uint8Array): OnnxLook {
  // ONNX Runtime's own format is told by these letters, and is not what was signed as model.onnx.
  if (String.fromCharCode(...file.subarray(4, 8)) === 'ORTM') return { kind: 'broken', reason: 'it is in the ORT format, not ONNX' };
  let sawVersion = false;
  let sawGraph = false;
  const pending: Range[] = [{ message: 'model', start: 0, end: file.length, depth: 0 }];
  try {
    for (let range = pending.pop(); range !== undefined; range = pending.pop()) {
      const external = walk(file, range, (field, next) => {
        if (range.message === 'model') {
          sawVersion ||= field === fieldOf.irVersion;
          sawGraph ||= field === fieldOf.graph;
        }
        if (next !== null) pending.push(next);
      });
      if (external !== null) return external;
    }
  } catch (error) {
    if (error instanceof Broken) return { kind: 'broken', reason: error.message };
    throw error;
  }
  if (!sawVersion || !sawGraph) return { kind: 'broken', reason: 'it has no IR version or no graph' };
  return { kind: 'whole' };
}

class Broken extends Error {}

function walk(file: Uint8Array, range: Range, met: (field: number, next: Range | null) => void): OnnxLook | null {
  const { message, end, depth } = range;
  const isTensor = message === 'tensor';
  const next = leadsTo[message];
  let at = range.start;
  let isExternal = false;
  let name = '';
  let location = '';
  while (at < end) {
    const tag = varint(file, at, end);
    at = tag.next;
    const field = Math.floor(tag.value / 8);
    if (field === 0 || field > 0x1fffffff) throw new Broken(`field number ${field} at byte ${at}`);
    switch (tag.value % 8) {
      case wire.varint: {
        const { value, next: after } = varint(file, at, end);
        at = after;
        if (isTensor && field === fieldOf.dataLocation && value !== 0) isExternal = true;
        met(field, null);
        break;
      }
      case wire.fixed64:
        at += 8;
        break;
      case wire.fixed32:
        at += 4;
        break;
      case wire.bytes: {
        const length = varint(file, at, end);
        const start = length.next;
        at = start + length.value;
        if (at > end) throw new Broken(`a field of ${length.value} bytes at byte ${start} goes past its message`);
        if (isTensor) {
          if (field === fieldOf.tensorName) name = text(file, start, at);
          if (field === fieldOf.externalData) {
            isExternal = true;
            location ||= text(file, start, at);
          }
        }
        const leads = next[field];
        if (leads !== undefined && depth >= maxDepth) throw new Broken(`it is nested deeper than ${maxDepth}`);
        met(field, leads === undefined ? null : { message: leads, start, end: at, depth: depth + 1 });
        break;
      }
      default:
        throw new Broken(`wire type ${tag.value % 8} at byte ${at}, which ONNX does not use`);
    }
    if (at > end) throw new Broken(`a field at byte ${at} goes past its message`);
  }
  return isExternal ? { kind: 'external', tensor: name, location } : null;
}

/** An unsigned number of up to 64 bits; beyond 2^53 it is not exact, which no length or tag of a file may be. */
function varint(file: Uint8Array, from: number, end: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < end && at < from + 10; at++) {
    const byte = file[at]!;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, next: at + 1 };
    scale *= 128;
  }
  throw new Broken(`a number at byte ${from} does not end`);
}

/** Readable letters of a few bytes, for a message. */
function text(file: Uint8Array, start: number, end: number): string {
  let letters = '';
  for (let at = start; at < Math.min(end, start + 120); at++) {
    const byte = file[at]!;
    letters += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ' ';
  }
  return letters.trim();
}
