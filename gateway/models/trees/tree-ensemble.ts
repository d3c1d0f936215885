import type { OnnxAttribute, OnnxGraph, OnnxNode } from './onnx-graph.js';
import { setImmediate as turn } from 'node:timers/promises';
import { readAttribute, readOnnxGraph } from './onnx-graph.js';

/** What happens to the sum of the trees before it is the answer. */
export type AfterSum = 'exp';

/**
 * A regression by decision trees whose answer is the sum of one leaf of each, as `TreeEnsembleRegressor` of ONNX-ML says
 * it. A node asks `value <= threshold`; its children are indexes of nodes, of which the first belongs to a yes.
 */
export type TreeEnsemble = {
  readonly input: string;
  readonly output: string;
  /** One more than the largest feature that is asked for. */
  readonly width: number;
  readonly base: number;
  readonly after: readonly AfterSum[];
  /** Index of each tree's first node, in the order of their sum. */
  readonly roots: Int32Array;
  /** Feature that a node asks for; -1 for a leaf. */
  readonly features: Int32Array;
  /** Threshold of a node, value of a leaf. */
  readonly values: Float32Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  /** 1 where an absent value (NaN) goes the way of a yes. */
  readonly absentYes: Uint8Array;
};

const leaf = -1;

/**
 * The ensemble that an ONNX file is and nothing else; null for any other model, and for what is not compiled of ensembles.
 * The event loop turns between the lists of a file, of which each is read in one go.
 */
export async function readTreeEnsemble(model: Uint8Array): Promise<TreeEnsemble | null> {
  const graph = readOnnxGraph(model);
  const [input, output] = [graph?.inputs[0], graph?.outputs[0]];
  if (graph === null || graph.inputs.length !== 1 || graph.outputs.length !== 1 || graph.hasInitializers) return null;
  const [first, ...rest] = inOrder(graph, input!);
  if (first?.operator !== 'TreeEnsembleRegressor' || first.domain !== 'ai.onnx.ml') return null;
  if ((rest.at(-1) ?? first).outputs[0] !== output || rest.length + 1 !== graph.nodes.length) return null;
  const after: AfterSum[] = [];
  for (const { operator, domain } of rest) {
    if (domain !== '' || (operator !== 'Identity' && operator !== 'Exp')) return null;
    if (operator === 'Exp') after.push('exp');
  }
  const trees = await readTrees(first);
  return trees === null ? null : { input: input!, output: output!, after, ...trees };
}

/** The nodes one after the other, as each takes what the one before it makes. */
function inOrder({ nodes }: OnnxGraph, input: string): OnnxNode[] {
  const chain: OnnxNode[] = [];
  let name: string | undefined = input;
  while (name !== undefined && chain.length < nodes.length) {
    const next: OnnxNode | undefined = nodes.find((node) => node.inputs.length === 1 && node.inputs[0] === name && !chain.includes(node));
    if (next?.outputs.length !== 1) break;
    chain.push(next);
    name = next.outputs[0];
  }
  return chain;
}

type Trees = Omit<TreeEnsemble, 'input' | 'output' | 'after'>;

/** The attributes that are lists, by what they hold. */
const integerLists = [
  'nodes_treeids',
  'nodes_nodeids',
  'nodes_featureids',
  'nodes_truenodeids',
  'nodes_falsenodeids',
  'nodes_missing_value_tracks_true',
  'target_treeids',
  'target_nodeids',
  'target_ids',
] as const;
const floatLists = ['nodes_values', 'target_weights', 'base_values'] as const;
type Lists = Readonly<Record<(typeof integerLists)[number] | (typeof floatLists)[number], readonly number[]>> & {
  readonly nodes_modes: readonly string[];
};

async function readTrees({ attributes }: OnnxNode): Promise<Trees | null> {
  const read = (name: string): OnnxAttribute | null => {
    const bytes = attributes.get(name);
    return bytes === undefined ? null : readAttribute(bytes);
  };
  for (const name of attributes.keys()) if (name.endsWith('_as_tensor')) return null;
  const isSum = (read('aggregate_function')?.text ?? 'SUM') === 'SUM' && (read('post_transform')?.text ?? 'NONE') === 'NONE';
  if (!isSum || (read('n_targets')?.integer ?? 1) !== 1) return null;
  const lists: Record<string, readonly unknown[]> = { nodes_modes: read('nodes_modes')?.texts ?? [] };
  for (const name of integerLists) {
    await turn();
    lists[name] = read(name)?.integers ?? [];
  }
  for (const name of floatLists) lists[name] = read(name)?.floats ?? [];
  await turn();
  return treesOf(lists as unknown as Lists);
}

function treesOf(lists: Lists): Trees | null {
  const {
    nodes_treeids: treeIds,
    nodes_nodeids: nodeIds,
    nodes_featureids: featureIds,
    nodes_modes: modes,
    nodes_values: thresholds,
  } = lists;
  const { nodes_truenodeids: yesIds, nodes_falsenodeids: noIds, nodes_missing_value_tracks_true: absentIds, base_values: base } = lists;
  const count = treeIds.length;
  const perNode = [nodeIds, featureIds, yesIds, noIds, modes, thresholds];
  if (count === 0 || base.length > 1 || perNode.some(({ length }) => length !== count)) return null;
  if (absentIds.length !== 0 && absentIds.length !== count) return null;
  const find = nodeFinder(treeIds, nodeIds);
  const leaves = find === null ? null : leafValues(lists, find);
  if (find === null || leaves === null) return null;
  const roots: number[] = [];
  for (let i = 0; i < count; i++) if (i === 0 || treeIds[i] !== treeIds[i - 1]) roots.push(i);

  const features = new Int32Array(count);
  const values = new Float32Array(count);
  const [yes, no] = [new Int32Array(count), new Int32Array(count)];
  const absentYes = Uint8Array.from(absentIds.length === 0 ? { length: count } : absentIds);
  let width = 0;
  for (let i = 0; i < count; i++) {
    const mode = modes[i]!;
    if (mode === 'LEAF') {
      if (leaves.isGiven[i] === 0) return null;
      features[i] = leaf;
      values[i] = leaves.values[i]!;
      continue;
    }
    const question = questions[mode];
    const [whenTrue, whenFalse] = [find(treeIds[i]!, yesIds[i]!), find(treeIds[i]!, noIds[i]!)];
    if (question === undefined || whenTrue < 0 || whenFalse < 0 || leaves.isGiven[i] === 1) return null;
    features[i] = featureIds[i]!;
    if (features[i] !== featureIds[i] || features[i]! < 0) return null;
    width = Math.max(width, features[i]! + 1);
    values[i] = question.isStrict ? nextBelow(thresholds[i]!) : thresholds[i]!;
    if (values[i] !== values[i]) return null;
    [yes[i], no[i]] = question.isTurned ? [whenFalse, whenTrue] : [whenTrue, whenFalse];
    if (question.isTurned) absentYes[i] = absentYes[i] === 1 ? 0 : 1;
  }
  return areTrees({ roots, features, yes, no })
    ? { width, base: base[0] ?? 0, roots: Int32Array.from(roots), features, values, yes, no, absentYes }
    : null;
}

/** How each comparison is asked as `value <= threshold`: with the float below the threshold, or with yes and no exchanged. */
const questions: Readonly<Record<string, { readonly isStrict: boolean; readonly isTurned: boolean }>> = {
  BRANCH_LEQ: { isStrict: false, isTurned: false },
  BRANCH_LT: { isStrict: true, isTurned: false },
  BRANCH_GT: { isStrict: false, isTurned: true },
  BRANCH_GTE: { isStrict: true, isTurned: true },
};

/** Answers the index of a node by its tree and its id, below 0 for none; null when two are the same, or the ids are far apart. */
function nodeFinder(trees: readonly number[], ids: readonly number[]): ((tree: number, id: number) => number) | null {
  const count = trees.length;
  const most = 4 * count + 1024;
  const isId = (id: number): boolean => id >= 0 && id < most;
  if (!trees.every(isId) || !ids.every(isId)) return null;
  const sizes = new Int32Array(trees.reduce((largest, tree) => Math.max(largest, tree), 0) + 2);
  for (let i = 0; i < count; i++) sizes[trees[i]! + 1] = Math.max(sizes[trees[i]! + 1]!, ids[i]! + 1);
  const starts = sizes;
  for (let tree = 1; tree < starts.length; tree++) starts[tree]! += starts[tree - 1]!;
  const size = starts.at(-1)!;
  if (size > most) return null;
  const places = new Int32Array(size).fill(-1);
  for (let i = 0; i < count; i++) {
    const place = starts[trees[i]!]! + ids[i]!;
    if (places[place]! >= 0) return null;
    places[place] = i;
  }
  return (tree, id) => {
    const from = starts[tree];
    return from !== undefined && id >= 0 && from + id < (starts[tree + 1] ?? 0) ? places[from + id]! : -1;
  };
}

type Leaves = { readonly values: Float32Array; readonly isGiven: Uint8Array };

/** Values of the leaves by the index of their node; null when one is there twice, is of another target, or of no node. */
function leafValues(
  { nodes_treeids, target_treeids: trees, target_nodeids: nodes, target_ids: targets, target_weights: weights }: Lists,
  find: (tree: number, id: number) => number,
): Leaves | null {
  if ([trees, nodes, targets].some((list) => list.length !== weights.length)) return null;
  const leaves = { values: new Float32Array(nodes_treeids.length), isGiven: new Uint8Array(nodes_treeids.length) };
  for (let i = 0; i < weights.length; i++) {
    const node = find(trees[i]!, nodes[i]!);
    if (node < 0 || leaves.isGiven[node] === 1 || targets[i] !== 0) return null;
    leaves.values[node] = weights[i]!;
    leaves.isGiven[node] = 1;
  }
  return leaves;
}

/** Whether every node but the roots is the child of exactly one other, so that each way ends in a leaf. */
function areTrees({
  roots,
  features,
  yes,
  no,
}: {
  roots: readonly number[];
  features: Int32Array;
  yes: Int32Array;
  no: Int32Array;
}): boolean {
  const reached = new Uint8Array(features.length);
  const next = [...roots];
  for (let node = next.pop(); node !== undefined; node = next.pop()) {
    if (reached[node] === 1) return false;
    reached[node] = 1;
    if (features[node] !== leaf) next.push(yes[node]!, no[node]!);
  }
  return reached.every((seen) => seen === 1);
}

const bits = new DataView(new ArrayBuffer(4));

/** The largest float below one; NaN for NaN and minus infinity, which nothing is below of. */
function nextBelow(value: number): number {
  if (!(value > -Infinity)) return Number.NaN;
  if (value === 0) return -(2 ** -149);
  bits.setFloat32(0, value);
  bits.setInt32(0, bits.getInt32(0) + (value > 0 ? -1 : 1));
  return bits.getFloat32(0);
}
