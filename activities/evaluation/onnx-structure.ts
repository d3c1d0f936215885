import protobuf from 'protobufjs';
import { PerennialError } from '../../domain/errors.js';

/** An input or output of an ONNX graph. `shape` holds -1 for a dimension that is open; null when the file states no shape. */
export type OnnxValue = { readonly name: string; readonly type: string; readonly shape: readonly number[] | null };
export type OnnxStructure = {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly opsets: readonly string[];
  /** Name and version of what wrote the file, `pytorch 2.9.1`; null when the file does not say. */
  readonly producer: string | null;
};

/** The part of onnx.proto that is looked at; weights and everything else are skipped while reading. */
const onnxSchema = {
  nested: {
    Model: {
      fields: {
        irVersion: { type: 'int64', id: 1 },
        producerName: { type: 'string', id: 2 },
        producerVersion: { type: 'string', id: 3 },
        graph: { type: 'Graph', id: 7 },
        opsets: { rule: 'repeated', type: 'Opset', id: 8 },
        training: { rule: 'repeated', type: 'Training', id: 20 },
        functions: { rule: 'repeated', type: 'Func', id: 25 },
      },
    },
    Opset: { fields: { domain: { type: 'string', id: 1 }, version: { type: 'int64', id: 2 } } },
    Training: { fields: { initialization: { type: 'Graph', id: 1 }, algorithm: { type: 'Graph', id: 2 } } },
    Func: {
      fields: {
        name: { type: 'string', id: 1 },
        nodes: { rule: 'repeated', type: 'Node', id: 7 },
        domain: { type: 'string', id: 10 },
      },
    },
    Graph: {
      fields: {
        nodes: { rule: 'repeated', type: 'Node', id: 1 },
        tensors: { rule: 'repeated', type: 'Tensor', id: 5 },
        inputs: { rule: 'repeated', type: 'Value', id: 11 },
        outputs: { rule: 'repeated', type: 'Value', id: 12 },
        sparse: { rule: 'repeated', type: 'Sparse', id: 15 },
      },
    },
    Node: {
      fields: {
        opType: { type: 'string', id: 4 },
        attributes: { rule: 'repeated', type: 'Attribute', id: 5 },
        domain: { type: 'string', id: 7 },
      },
    },
    Attribute: {
      fields: {
        tensor: { type: 'Tensor', id: 5 },
        graph: { type: 'Graph', id: 6 },
        tensors: { rule: 'repeated', type: 'Tensor', id: 10 },
        graphs: { rule: 'repeated', type: 'Graph', id: 11 },
        sparse: { type: 'Sparse', id: 22 },
        sparses: { rule: 'repeated', type: 'Sparse', id: 23 },
      },
    },
    Sparse: { fields: { values: { type: 'Tensor', id: 1 }, indices: { type: 'Tensor', id: 2 } } },
    Tensor: {
      fields: {
        name: { type: 'string', id: 8 },
        external: { rule: 'repeated', type: 'Entry', id: 13 },
        location: { type: 'int32', id: 14 },
      },
    },
    Entry: { fields: { key: { type: 'string', id: 1 }, value: { type: 'string', id: 2 } } },
    Value: { fields: { name: { type: 'string', id: 1 }, type: { type: 'Type', id: 2 } } },
    Type: { fields: { tensor: { type: 'TensorType', id: 1 } } },
    TensorType: { fields: { element: { type: 'int32', id: 1 }, shape: { type: 'Shape', id: 2 } } },
    Shape: { fields: { dims: { rule: 'repeated', type: 'Dim', id: 1 } } },
    Dim: { fields: { value: { type: 'int64', id: 1 }, param: { type: 'string', id: 2 } } },
  },
} as const;

type Tensor = { name?: string; external?: { key?: string; value?: string }[]; location?: number };
type Sparse = { values?: Tensor; indices?: Tensor };
type Attribute = { tensor?: Tensor; graph?: Graph; tensors?: Tensor[]; graphs?: Graph[]; sparse?: Sparse; sparses?: Sparse[] };
type Node = { opType?: string; domain?: string; attributes?: Attribute[] };
type Value = { name?: string; type?: { tensor?: { element?: number; shape?: { dims?: { value?: number; param?: string }[] } } } };
type Graph = { nodes?: Node[]; tensors?: Tensor[]; inputs?: Value[]; outputs?: Value[]; sparse?: Sparse[] };
type Model = {
  irVersion?: number;
  producerName?: string;
  producerVersion?: string;
  graph?: Graph;
  opsets?: { domain?: string; version?: number }[];
  training?: { initialization?: Graph; algorithm?: Graph }[];
  functions?: { name?: string; nodes?: Node[]; domain?: string }[];
};

const elementTypes: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};
/** Operators of ONNX itself. Any other domain needs a library of its own at load time. */
const knownDomains: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
const external = 1;

const modelType = protobuf.Root.fromJSON(onnxSchema as unknown as protobuf.INamespace).lookupType('Model');

/**
 * Reads an ONNX file without running it. `ArtifactRejected` when the bytes are no ONNX model, when a tensor lies in a file
 * outside (it would be read from the disk of whoever loads the model, past digest and signature), or when an operator
 * belongs to neither ONNX nor ONNX-ML, and is none of the file's own functions.
 */
export function readOnnxStructure(bytes: Uint8Array): OnnxStructure {
  const model = decode(bytes);
  const opsets = model.opsets ?? [];
  if (
    model.irVersion === undefined ||
    model.irVersion < 1 ||
    model.graph === undefined ||
    (model.graph.nodes ?? []).length === 0 ||
    opsets.length === 0
  ) {
    throw rejected('is not an ONNX model: it has no IR version, graph, or operator set; export the model to ONNX');
  }
  const graphs = [model.graph, ...(model.training ?? []).flatMap(({ initialization, algorithm }) => [initialization, algorithm])];
  const functions = model.functions ?? [];
  const nodes = functions.flatMap((func) => func.nodes ?? []);
  // What a file defines itself, as PyTorch's exporter may, needs no library.
  const defined = new Set(functions.map(({ domain, name }) => `${domain}:${name}`));
  const pending: Graph[] = [...graphs.filter((graph) => graph !== undefined), { nodes }];
  for (let graph = pending.pop(); graph !== undefined; graph = pending.pop()) {
    for (const tensor of [...(graph.tensors ?? []), ...(graph.sparse ?? []).flatMap(sparseTensors)]) refuseExternal(tensor);
    for (const node of graph.nodes ?? []) {
      if (!knownDomains.has(node.domain ?? '') && !defined.has(`${node.domain}:${node.opType}`))
        throw rejected(
          `uses the operator ${node.domain}:${node.opType}, which is neither ONNX nor ONNX-ML; export it with standard operators`,
        );
      for (const attribute of node.attributes ?? []) {
        for (const tensor of [
          attribute.tensor,
          ...(attribute.tensors ?? []),
          ...[attribute.sparse, ...(attribute.sparses ?? [])].flatMap(sparseTensors),
        ])
          refuseExternal(tensor);
        pending.push(...[attribute.graph, ...(attribute.graphs ?? [])].filter((inner) => inner !== undefined));
      }
    }
  }
  // Older files list weights among the inputs.
  const weights = new Set((model.graph.tensors ?? []).map(({ name }) => name));
  return {
    inputs: (model.graph.inputs ?? []).filter(({ name }) => !weights.has(name)).map(valueOf),
    outputs: (model.graph.outputs ?? []).map(valueOf),
    opsets: opsets.map(({ domain, version }) => `${domain === undefined || domain === '' ? 'ai.onnx' : domain} ${version}`),
    producer: producerOf(model),
  };
}

function producerOf({ producerName = '', producerVersion = '' }: Model): string | null {
  const name = producerName.trim();
  return name === '' ? null : `${name} ${producerVersion}`.trim();
}

function decode(bytes: Uint8Array): Model {
  try {
    return modelType.toObject(modelType.decode(bytes), { longs: Number, arrays: false, defaults: false }) as Model;
  } catch (cause) {
    throw rejected(`is not an ONNX model: ${cause instanceof Error ? cause.message : String(cause)}; export the model to ONNX`, cause);
  }
}

function sparseTensors(sparse: Sparse | undefined): (Tensor | undefined)[] {
  return [sparse?.values, sparse?.indices];
}

function refuseExternal(tensor: Tensor | undefined): void {
  if (tensor === undefined || (tensor.location !== external && (tensor.external ?? []).length === 0)) return;
  const place = tensor.external?.find(({ key }) => key === 'location')?.value;
  throw rejected(`keeps tensor ${tensor.name ?? '(unnamed)'} outside, in ${place ?? 'another file'}; save it with all data inside`);
}

function valueOf({ name, type }: Value): OnnxValue {
  const tensor = type?.tensor;
  return {
    name: name ?? '',
    type: tensor === undefined ? 'no tensor' : (elementTypes[tensor.element ?? 0] ?? `element type ${tensor.element}`),
    shape:
      tensor?.shape === undefined ? null : (tensor.shape.dims ?? []).map(({ value }) => (value === undefined || value <= 0 ? -1 : value)),
  };
}

function rejected(what: string, cause?: unknown): PerennialError {
  return new PerennialError('ArtifactRejected', `model.onnx ${what}`, cause === undefined ? {} : { cause });
}
