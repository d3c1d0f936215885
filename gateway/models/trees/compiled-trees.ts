import type { TreeEnsemble } from './tree-ensemble.js';
import type { Walk } from './walk-module.js';
import { header, headerBytes, lanes, mostFeatures, nodeBytes, nodesEnd, walkOver } from './walk-module.js';

const pageBytes = 64 * 1024;
/** Nodes are counted from the start of the memory, the header's place included. */
const firstSlot = headerBytes / nodeBytes;
/** Rows that are walked in one call, and have their place in the memory. */
const rowsAtOnce = 64;

/** An ensemble laid out for `walk-module`, in a memory of its own. */
export class CompiledTrees {
  /** Of the layout, which stays as long as this object. */
  readonly bytes: number;
  readonly #rowWidth: number;
  readonly #layout: Layout;
  readonly #base: number;
  readonly #after: TreeEnsemble['after'];
  readonly #walk: Walk;
  readonly #rows: Float32Array;
  readonly #answers: Float32Array;

  /**
   * `rowWidth` is the number of features of a row, of which the ensemble may ask for fewer. Throws a `RangeError` when it is
   * too large for the layout, or memory is short.
   */
  constructor(ensemble: TreeEnsemble, rowWidth: number) {
    const nodes = ensemble.features.length + 1;
    const slots = firstSlot + nodes;
    if (rowWidth > mostFeatures || ensemble.width > rowWidth || slots * nodeBytes >= nodesEnd)
      throw new RangeError(`${nodes} nodes over ${rowWidth} features are more than compiled trees have room for`);
    const groupCount = Math.ceil(ensemble.roots.length / lanes);
    const leaves = slots * nodeBytes;
    const groups = leaves + slots * 4;
    const groupsEnd = groups + groupCount * lanes * 4;
    const answersAt = groupsEnd + rowsAtOnce * rowWidth * 4;
    const pages = Math.ceil((answersAt + rowsAtOnce * 4) / pageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { buffer } = memory;
    this.bytes = pages * pageBytes + slots;
    const words = { rowsAt: groupsEnd, rowBytes: rowWidth * 4, groups, groupsEnd, leaves, answersAt };
    new Uint32Array(buffer, 0, header.length).set(header.map((name) => words[name]));
    this.#rowWidth = rowWidth;
    this.#layout = {
      trees: ensemble.roots.length,
      nodes: new Uint32Array(buffer, 0, slots * 2),
      thresholds: new Float32Array(buffer, 0, slots * 2),
      leaves: new Float32Array(buffer, leaves, slots),
      groups: new Uint32Array(buffer, groups, groupCount * lanes),
      absentYes: new Uint8Array(slots),
    };
    layOut(ensemble, this.#layout);
    this.#base = ensemble.base;
    this.#after = ensemble.after;
    this.#walk = walkOver(memory);
    this.#rows = new Float32Array(buffer, groupsEnd, rowsAtOnce * rowWidth);
    this.#answers = new Float32Array(buffer, answersAt, rowsAtOnce);
  }

  /** The answer for each row; `features` holds one row after the other. */
  answer(features: Float32Array): Float32Array {
    const width = this.#rowWidth;
    const rows = features.length / width;
    const answers = new Float32Array(rows);
    for (let from = 0; from < rows; from += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - from);
      this.#rows.set(count === rows ? features : features.subarray(from * width, (from + count) * width));
      this.#answers.fill(0, 0, count);
      this.#walk(count);
      for (let row = 0; row < count; row++) answers[from + row] = this.#answers[row]!;
    }
    // An absent value has a way of its own at each node, which the walk does not ask for.
    for (let i = 0; i < features.length; i++) {
      if (features[i] === features[i]) continue;
      const row = Math.floor(i / width);
      answers[row] = sumWithAbsent(this.#layout, features.subarray(row * width, (row + 1) * width));
      i = (row + 1) * width - 1;
    }
    if (this.#base !== 0) for (let row = 0; row < rows; row++) answers[row]! += this.#base;
    for (const _ of this.#after) for (let row = 0; row < rows; row++) answers[row] = Math.exp(answers[row]!);
    return answers;
  }
}

/** The parts of the memory as `walk-module` describes them; `absentYes` says by node which way an absent value goes. */
type Layout = {
  readonly trees: number;
  readonly nodes: Uint32Array;
  readonly thresholds: Float32Array;
  readonly leaves: Float32Array;
  readonly groups: Uint32Array;
  readonly absentYes: Uint8Array;
};

/** Nodes by levels, tree by tree, so that siblings are neighbours. The last node is a leaf of nothing, which fills the last group. */
function layOut({ roots, features, values, yes, no, absentYes }: TreeEnsemble, layout: Layout): void {
  const { nodes, thresholds, leaves, groups } = layout;
  let next = firstSlot;
  const putLeaf = (slot: number, value: number): void => {
    thresholds[slot * 2] = Infinity;
    nodes[slot * 2 + 1] = (slot * nodeBytes) << 8;
    leaves[slot] = value;
  };
  for (let tree = 0; tree < roots.length; tree++) {
    groups[tree] = next * nodeBytes;
    // Children are numbered in the order in which they join the list.
    const level = [roots[tree]!];
    for (let i = 0, slot = next++; i < level.length; i++, slot++) {
      const node = level[i]!;
      if (features[node]! < 0) {
        putLeaf(slot, values[node]!);
        continue;
      }
      thresholds[slot * 2] = values[node]!;
      nodes[slot * 2 + 1] = ((next * nodeBytes) << 8) | features[node]!;
      layout.absentYes[slot] = absentYes[node]!;
      level.push(yes[node]!, no[node]!);
      next += 2;
    }
  }
  putLeaf(next, 0);
  groups.fill(next * nodeBytes, roots.length);
}

/** The sum for a row with absent values: the same walk, one tree at a time, that asks at each node. */
function sumWithAbsent({ trees, nodes, thresholds, leaves, groups, absentYes }: Layout, row: Float32Array): number {
  let sum = 0;
  for (let tree = 0; tree < trees; tree++) {
    let slot = groups[tree]! / nodeBytes;
    for (;;) {
      const word = nodes[slot * 2 + 1]!;
      const child = (word >>> 8) / nodeBytes;
      if (child === slot) break;
      const value = row[word & 0xff]!;
      const isYes = value <= thresholds[slot * 2]! || (value !== value && absentYes[slot] === 1);
      slot = isYes ? child : child + 1;
    }
    sum = Math.fround(sum + leaves[slot]!);
  }
  return sum;
}
