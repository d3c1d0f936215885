import type { Runner } from '../runner.js';
import type { NamedTensors } from '../tensors.js';
import { CompiledTrees } from './compiled-trees.js';
import { readTreeEnsemble } from './tree-ensemble.js';
import type { TreeEnsemble } from './tree-ensemble.js';

/** A model that is a tree ensemble, compiled: what a run of it costs is next to nothing, so it never waits for others. */
export type TreeRunner = Runner & { readonly bytes: number; runNow(feeds: NamedTensors): NamedTensors };

/** An ensemble, and the number of features of a row. */
export type Compilable = { readonly ensemble: TreeEnsemble; readonly width: number };

/** Larger files would take the event loop too much time to read. */
const mostFileBytes = 8 * 1024 * 1024;

/**
 * The ensemble that a model is, where it can be compiled: one matrix of floats in, one float a row out. Null for any other.
 * `sample` is a run's feeds with one row.
 */
export async function compilableTrees(model: Uint8Array, sample: NamedTensors): Promise<Compilable | null> {
  const [[name, tensor] = ['', undefined], ...others] = Object.entries(sample);
  if (model.byteLength > mostFileBytes || tensor?.type !== 'float32' || tensor.dims.length !== 2 || others.length > 0) return null;
  const ensemble = await readTreeEnsemble(model);
  return ensemble === null || ensemble.input !== name ? null : { ensemble, width: tensor.dims[1]! };
}

/** Loads a model that was compiled before. Rejects with what `treeRunner` throws. */
export async function loadTrees(model: Uint8Array, sample: NamedTensors): Promise<TreeRunner> {
  const found = await compilableTrees(model, sample);
  if (found === null) throw new RangeError('the model is no tree ensemble that can be compiled');
  return treeRunner(found);
}

/** Throws a `RangeError` when the ensemble is too large for its layout, or memory is short. */
export function treeRunner({ ensemble, width }: Compilable): TreeRunner {
  const { input, output } = ensemble;
  let trees: CompiledTrees | null = new CompiledTrees(ensemble, width);
  const runNow = (feeds: NamedTensors): NamedTensors => {
    if (trees === null) throw new Error('the model was released');
    const data = trees.answer(feeds[input]!.data as Float32Array);
    return { [output]: { type: 'float32', dims: [data.length, 1], data } };
  };
  return {
    placement: 'inPlace',
    lanes: 1,
    inputs: [{ name: input, type: 'float32', shape: [-1, width] }],
    outputs: [{ name: output, type: 'float32', shape: [-1, 1] }],
    bytes: trees.bytes,
    runNow,
    run: (feeds) => new Promise((resolve) => resolve(runNow(feeds))),
    release: () => {
      trees = null;
      return Promise.resolve();
    },
  };
}
