import { bytesField, graphOf, intField, message, modelOf, node, textField, withAttribute } from './onnx-builder.js';

export type TreeModel = {
  readonly trees: number;
  /** Leaves of a tree. */
  readonly leaves: number;
  readonly width: number;
  /** What its nodes ask, by turns. */
  readonly modes?: readonly string[];
  /** Whether absent values go the way of a yes at every other node. */
  readonly absentYes?: boolean;
  readonly base?: number;
  /** Operators between the sum and the answer. */
  readonly after?: readonly string[];
  readonly operator?: string;
  /** Attributes that stand instead of, or beside, the ones made here. */
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly more?: readonly Uint8Array[];
};

type Attribute = number | string | readonly string[] | { readonly integers: readonly number[] } | { readonly floats: readonly number[] };

/** An ONNX file with random decision trees, as exporters of LightGBM and XGBoost write them; the same for the same wish. */
export function treeModel(wish: TreeModel): Uint8Array {
  const { after = [], width } = wish;
  const names = ['features', ...after.map((_, at) => `step${at}`), 'prediction'];
  const operator = wish.operator ?? 'TreeEnsembleRegressor';
  let ensemble: Uint8Array = message(node(operator, ['features'], [names[1]!]), textField(7, 'ai.onnx.ml'));
  for (const [name, value] of Object.entries({ ...attributesOf(wish), ...wish.attributes }))
    ensemble = withAttribute(ensemble, attribute(name, value));
  const rest = after.map((op, at) => node(op, [names[at + 1]!], [names[at + 2]!]));
  return modelOf(
    graphOf({ nodes: [ensemble, ...rest], width, more: wish.more ?? [] }),
    bytesField(8, message(textField(1, 'ai.onnx.ml'), intField(2, 1))),
  );
}

function attributesOf({ trees, leaves, width, modes = ['BRANCH_LEQ'], absentYes = false, base }: TreeModel): Record<string, Attribute> {
  const random = generator(trees * 1_000 + leaves * 10 + width);
  const nodes = { tree: [], id: [], feature: [], value: [], mode: [], yes: [], no: [], absent: [] } as {
    [name in 'tree' | 'id' | 'feature' | 'value' | 'yes' | 'no' | 'absent']: number[];
  } & { mode: string[] };
  const targets = { tree: [] as number[], node: [] as number[], weight: [] as number[] };
  for (let tree = 0; tree < trees; tree++) {
    // Any leaf becomes a question until there are enough of them: some trees are deep, some are flat.
    const children = new Map<number, readonly [number, number]>();
    const open = [0];
    let next = 1;
    while (open.length < leaves) {
      const [id] = open.splice(Math.floor(random() * open.length), 1);
      children.set(id!, [next, next + 1]);
      open.push(next, next + 1);
      next += 2;
    }
    for (let id = 0; id < next; id++) {
      const pair = children.get(id);
      nodes.tree.push(tree);
      nodes.id.push(id);
      nodes.feature.push(pair === undefined ? 0 : Math.floor(random() * width));
      nodes.value.push(pair === undefined ? 0 : Math.fround(random() * 4 - 2));
      nodes.mode.push(pair === undefined ? 'LEAF' : modes[nodes.mode.length % modes.length]!);
      nodes.yes.push(pair?.[0] ?? 0);
      nodes.no.push(pair?.[1] ?? 0);
      nodes.absent.push(absentYes && pair !== undefined && id % 2 === 0 ? 1 : 0);
      if (pair !== undefined) continue;
      targets.tree.push(tree);
      targets.node.push(id);
      targets.weight.push(Math.fround((random() - 0.5) / trees));
    }
  }
  return {
    n_targets: 1,
    nodes_treeids: { integers: nodes.tree },
    nodes_nodeids: { integers: nodes.id },
    nodes_featureids: { integers: nodes.feature },
    nodes_values: { floats: nodes.value },
    nodes_modes: nodes.mode,
    nodes_truenodeids: { integers: nodes.yes },
    nodes_falsenodeids: { integers: nodes.no },
    ...(absentYes ? { nodes_missing_value_tracks_true: { integers: nodes.absent } } : {}),
    target_treeids: { integers: targets.tree },
    target_nodeids: { integers: targets.node },
    target_ids: { integers: targets.tree.map(() => 0) },
    target_weights: { floats: targets.weight },
    ...(base === undefined ? {} : { base_values: { floats: [base] } }),
  };
}

function attribute(name: string, value: Attribute): Uint8Array {
  const named = textField(1, name);
  if (typeof value === 'number') return message(named, intField(3, value), intField(20, 2));
  if (typeof value === 'string') return message(named, textField(4, value), intField(20, 3));
  if ('integers' in value) return message(named, ...value.integers.map((one) => intField(8, one)), intField(20, 7));
  if ('floats' in value) return message(named, ...value.floats.map((one) => floatField(7, one)), intField(20, 6));
  return message(named, ...value.map((one) => textField(9, one)), intField(20, 8));
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(5);
  bytes[0] = field * 8 + 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}
