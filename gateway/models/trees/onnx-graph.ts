import protobuf from 'protobufjs';

/** The part of an ONNX graph that tells whether it is one tree ensemble: its nodes, its ends, and whether it has weights beside them. */
export type OnnxGraph = {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly hasInitializers: boolean;
};

/** `attributes` are undecoded: most graphs are no ensembles, and their weights are never looked at. */
export type OnnxNode = {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Uint8Array>;
};

/** An attribute as it is written; a list that is not there is empty. Of integers, which are ids and counts, the lower 32 bits. */
export type OnnxAttribute = {
  readonly integer: number;
  readonly text: string;
  readonly floats: readonly number[];
  readonly integers: readonly number[];
  readonly texts: readonly string[];
};

type Field = (field: number, reader: protobuf.Reader, wire: number) => boolean;

/** Field numbers of onnx.proto. */
const modelGraph = 7;
const graphFields = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;
const nodeFields = { input: 1, output: 2, operator: 4, attribute: 5, domain: 7 } as const;
const attributeFields = { name: 1, integer: 3, text: 4, floats: 7, integers: 8, texts: 9 } as const;
const valueName = 1;
const packed = 2;

/** Throws what protobufjs throws for bytes that are no ONNX model; null for one without a graph. */
export function readOnnxGraph(model: Uint8Array): OnnxGraph | null {
  let graph: OnnxGraph | null = null;
  readMessage(model, (field, reader) => {
    if (field !== modelGraph) return false;
    graph = readGraph(reader.bytes());
    return true;
  });
  return graph;
}

export function readAttribute(bytes: Uint8Array): OnnxAttribute {
  const attribute = { integer: 0, text: '', floats: [] as number[], integers: [] as number[], texts: [] as string[] };
  readMessage(bytes, (field, reader, wire) => {
    if (field === attributeFields.integer) attribute.integer = reader.uint32();
    else if (field === attributeFields.text) attribute.text = reader.string();
    else if (field === attributeFields.floats) readList(reader, { wire, into: attribute.floats, one: () => reader.float() });
    else if (field === attributeFields.integers) readList(reader, { wire, into: attribute.integers, one: () => reader.uint32() });
    else if (field === attributeFields.texts) attribute.texts.push(reader.string());
    else return false;
    return true;
  });
  return attribute;
}

function readGraph(bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const inputs: string[] = [];
  const outputs: string[] = [];
  let hasInitializers = false;
  readMessage(bytes, (field, reader) => {
    if (field === graphFields.node) nodes.push(readNode(reader.bytes()));
    else if (field === graphFields.input) inputs.push(nameIn(reader.bytes(), valueName));
    else if (field === graphFields.output) outputs.push(nameIn(reader.bytes(), valueName));
    else {
      hasInitializers ||= field === graphFields.initializer || field === graphFields.sparseInitializer;
      return false;
    }
    return true;
  });
  return { nodes, inputs, outputs, hasInitializers };
}

function readNode(bytes: Uint8Array): OnnxNode {
  const node = { operator: '', domain: '', inputs: [] as string[], outputs: [] as string[], attributes: new Map<string, Uint8Array>() };
  readMessage(bytes, (field, reader) => {
    if (field === nodeFields.operator) node.operator = reader.string();
    else if (field === nodeFields.domain) node.domain = reader.string();
    else if (field === nodeFields.input) node.inputs.push(reader.string());
    else if (field === nodeFields.output) node.outputs.push(reader.string());
    else if (field === nodeFields.attribute) {
      const attribute = reader.bytes();
      node.attributes.set(nameIn(attribute, attributeFields.name), attribute);
    } else return false;
    return true;
  });
  return node;
}

/** The name in a message; names are written first, so that nothing else is read. */
function nameIn(bytes: Uint8Array, nameField: number): string {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === nameField) return reader.string();
    reader.skipType(tag & 7);
  }
  return '';
}

function readList(reader: protobuf.Reader, list: { wire: number; into: number[]; one: () => number }): void {
  if (list.wire !== packed) return void list.into.push(list.one());
  for (const end = reader.uint32() + reader.pos; reader.pos < end;) list.into.push(list.one());
}

function readMessage(bytes: Uint8Array, take: Field): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!take(tag >>> 3, reader, tag & 7)) reader.skipType(tag & 7);
  }
}
