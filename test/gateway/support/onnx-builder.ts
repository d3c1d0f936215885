/** Bytes of small ONNX files, written field by field, so that tests can make files that no exporter writes. */

export const bytesField = (field: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([varint(field * 8 + 2), varint(bytes.byteLength), bytes]);
export const textField = (field: number, text: string): Uint8Array => bytesField(field, Buffer.from(text));
export const intField = (field: number, value: number): Uint8Array => Buffer.concat([varint(field * 8), varint(value)]);
export const message = (...fields: Uint8Array[]): Uint8Array => Buffer.concat(fields);

export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}

const float = 1;

/** A tensor of float32. */
export function floatTensor(name: string, dims: readonly number[], data: Float32Array): Uint8Array {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return message(...dims.map((dim) => intField(1, dim)), intField(2, float), textField(8, name), bytesField(9, raw));
}

/** A tensor whose values lie in another file. */
export function externalTensor(name: string, location: string): Uint8Array {
  const entry = message(textField(1, 'location'), textField(2, location));
  return message(intField(1, 1), intField(2, float), textField(8, name), bytesField(13, entry), intField(14, 1));
}

export function node(op: string, inputs: readonly string[], outputs: readonly string[]): Uint8Array {
  return message(...inputs.map((name) => textField(1, name)), ...outputs.map((name) => textField(2, name)), textField(4, op));
}

export function withAttribute(bytes: Uint8Array, attribute: Uint8Array): Uint8Array {
  return message(bytes, bytesField(5, attribute));
}

function value(name: string, dims: readonly (number | string)[]): Uint8Array {
  const shape = dims.map((dim) => bytesField(1, typeof dim === 'number' ? intField(1, dim) : textField(2, dim)));
  return message(textField(1, name), bytesField(2, bytesField(1, message(intField(1, float), bytesField(2, message(...shape))))));
}

/** A graph from `features` (two numbers a row, unless it says otherwise) to `prediction`. */
export function graphOf(parts: {
  nodes: readonly Uint8Array[];
  width?: number;
  tensors?: readonly Uint8Array[];
  more?: readonly Uint8Array[];
}): Uint8Array {
  return message(
    ...parts.nodes.map((bytes) => bytesField(1, bytes)),
    textField(2, 'graph'),
    ...(parts.tensors ?? []).map((bytes) => bytesField(5, bytes)),
    bytesField(11, value('features', ['rows', parts.width ?? 2])),
    bytesField(12, value('prediction', ['rows', 1])),
    ...(parts.more ?? []),
  );
}

export function modelOf(graph: Uint8Array, ...more: Uint8Array[]): Uint8Array {
  return message(intField(1, 8), bytesField(7, graph), bytesField(8, intField(2, 17)), ...more);
}

/** An attribute that holds a whole number. */
const intAttribute = (name: string, value: number): Uint8Array => message(textField(1, name), intField(3, value), intField(20, 2));
const int64 = 7;

/** a + 10 b + `bias`, with a table of some size that changes no answer, and that nobody may fold, pack or drop. */
export function linearModel(bias: number, ballastBytes = 0): Uint8Array {
  const length = Math.max(1, Math.floor(ballastBytes / 4));
  return modelOf(
    graphOf({
      nodes: [
        node('MatMul', ['features', 'weights'], ['weighted']),
        node('Add', ['weighted', 'bias'], ['biased']),
        withAttribute(node('ReduceSum', ['features'], ['total']), intAttribute('keepdims', 0)),
        node('Mul', ['total', 'zero'], ['none']),
        withAttribute(node('Cast', ['none'], ['place']), intAttribute('to', int64)),
        node('Gather', ['table', 'place'], ['found']),
        node('Mul', ['found', 'zero'], ['nothing']),
        node('Add', ['biased', 'nothing'], ['prediction']),
      ],
      tensors: [
        floatTensor('weights', [2, 1], Float32Array.of(1, 10)),
        floatTensor('bias', [1], Float32Array.of(bias)),
        floatTensor('zero', [], Float32Array.of(0)),
        floatTensor(
          'table',
          [length],
          Float32Array.from({ length }, (_, i) => i % 7),
        ),
      ],
    }),
  );
}
