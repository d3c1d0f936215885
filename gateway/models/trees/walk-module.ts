/**
 * The program that walks through trees, as WebAssembly. ONNX Runtime follows one tree at a time, and mostly waits: for the
 * branch that the processor guessed wrong, and for the node that comes next. Here eight trees are followed at once, a step
 * in each by turns and without a branch: the comparison is added to the child's address. That is two to five times as fast.
 *
 * `walk(rows)`: for each row, the values of the leaves that its features (32-bit floats) lead to are added to its answer in
 * the order of the trees, as 32-bit floats. All rows go through eight trees before the next eight, which stay in the
 * processor's nearest memory meanwhile.
 *
 * The memory begins with the six addresses and sizes of `header`. Nodes follow, of eight bytes each: a threshold, and a word
 * whose low byte is a feature and whose other three are the address of the yes child; the no child comes after it. A leaf
 * has the threshold infinity and leads to itself. `groups` are the addresses of roots, eight by eight; the value of the leaf
 * at address `a` lies at `leaves + a / 2`.
 */
export const lanes = 8;
export const nodeBytes = 8;
/** Words of the header, in their order, and the first address after it. */
export const header = ['rowsAt', 'rowBytes', 'groups', 'groupsEnd', 'leaves', 'answersAt'] as const;
export const headerBytes = header.length * 4;
/** What a node's word has room for. */
export const mostFeatures = 256;
export const nodesEnd = 2 ** 24;

const i32 = 0x7f;
const f32 = 0x7d;

/** Numbers of the locals: the parameter, the header, two of each lane, and some more. */
const rows = 0;
const firstHeader = 1;
const [firstRow, rowBytes, groups, groupsEnd, leaves, answers] = [1, 2, 3, 4, 5, 6] as const;
const firstNode = firstHeader + header.length;
const nodeOf = (lane: number): number => firstNode + lane;
const wordOf = (lane: number): number => firstNode + lanes + lane;
const group = firstNode + 2 * lanes;
const moved = group + 1;
const row = group + 2;
const answer = group + 3;
const answersEnd = group + 4;
const sum = group + 5;

/** Instructions one after the other, as their bytes. */
const code = (...parts: readonly (number | readonly number[])[]): number[] => parts.flat();
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];
const constant = (value: number): number[] => code(0x41, signed(value));
const load = (offset: number): number[] => code(0x28, 2, unsigned(offset));
const loadFloat = [0x2a, 2, 0];
const storeFloat = [0x38, 2, 0];
const lessUnsigned = 0x49;
const greaterFloat = 0x5e;
const add = 0x6a;
const and = 0x71;
const or = 0x72;
const xor = 0x73;
const shiftLeft = 0x74;
const shiftRight = 0x76;
const addFloat = 0x92;
const end = 0x0b;
const loop = (body: readonly number[]): number[] => code(0x03, 0x40, body, end);
/** Goes on with the innermost loop while what was just computed is not zero. */
const again = [0x0d, 0];

/** One step in a lane's tree. */
function step(lane: number): number[] {
  const node = nodeOf(lane);
  const word = wordOf(lane);
  const child = code(get(word), constant(8), shiftRight);
  const value = code(get(row), get(word), constant(0xff), and, constant(2), shiftLeft, add, loadFloat);
  const isAbove = code(value, get(node), loadFloat, greaterFloat);
  return code(
    code(get(node), load(4), set(word)),
    // The child's address, and eight more where the feature's value is above the threshold.
    code(child, isAbove, constant(3), shiftLeft, add, tee(word)),
    code(get(node), xor, get(moved), or, set(moved)),
    code(get(word), set(node)),
  );
}

function body(): number[] {
  const everyLane = (part: (lane: number) => number[]): number[] => Array.from({ length: lanes }, (_, lane) => part(lane)).flat();
  const walkGroup = loop(code(constant(0), set(moved), everyLane(step), get(moved), again));
  const addLeaf = (lane: number): number[] =>
    code(get(sum), get(leaves), get(nodeOf(lane)), constant(1), shiftRight, add, loadFloat, addFloat, set(sum));
  const allRows = loop(
    code(
      everyLane((lane) => code(get(group), load(4 * lane), set(nodeOf(lane)))),
      walkGroup,
      code(get(answer), loadFloat, set(sum)),
      everyLane(addLeaf),
      code(get(answer), get(sum), storeFloat),
      code(get(row), get(rowBytes), add, set(row)),
      code(get(answer), constant(4), add, tee(answer), get(answersEnd), lessUnsigned, again),
    ),
  );
  return code(
    header.flatMap((_, word) => code(constant(0), load(4 * word), set(firstHeader + word))),
    code(get(groups), set(group)),
    code(get(answers), get(rows), constant(2), shiftLeft, add, set(answersEnd)),
    loop(
      code(
        code(get(answers), set(answer), get(firstRow), set(row)),
        allRows,
        code(get(group), constant(4 * lanes), add, tee(group), get(groupsEnd), lessUnsigned, again),
      ),
    ),
  );
}

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const locals = code(2, [sum - firstHeader, i32], [1, f32]);
  const walk = code(locals, body(), end);
  return Uint8Array.from(
    code(
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [1, 0x60, 1, i32, 0]),
      section(2, code(1, text('trees'), text('memory'), 0x02, 0x00, 1)),
      section(3, [1, 0]),
      section(7, code(1, text('walk'), 0x00, 0)),
      section(10, code(1, unsigned(walk.length), walk)),
    ),
  );
}

function section(id: number, content: readonly number[]): number[] {
  return code(id, unsigned(content.length), content);
}

function text(name: string): number[] {
  return code(unsigned(name.length), Array.from(Buffer.from(name, 'ascii')));
}

/** LEB128, as WebAssembly writes its numbers. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : code((value & 0x7f) | 0x80, unsigned(value >>> 7));
}

/** The same for constants, none of which is negative: the second highest bit of the last byte is a sign. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : code((value & 0x7f) | 0x80, signed(value >>> 7));
}

export type Walk = (rows: number) => void;

let compiled: WebAssembly.Module | undefined;

/** The program over a memory. Of the module there is one in a process; an instance is a memory's own and costs next to nothing. */
export function walkOver(memory: WebAssembly.Memory): Walk {
  compiled ??= new WebAssembly.Module(moduleBytes());
  return new WebAssembly.Instance(compiled, { trees: { memory } }).exports['walk'] as Walk;
}
