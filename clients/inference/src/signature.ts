import type { Datatype, InputValues, OutputValues } from './datatypes.js';
import { sizeOf } from './datatypes.js';
import { InferenceError } from './errors.js';

/** A tensor of a model as its metadata tell it; -1 is a size that the request chooses. */
export type SignatureTensor = { readonly name: string; readonly datatype: Datatype; readonly shape: readonly number[] };

/** What a model takes and answers. `inference-types` writes one from a running server. */
export type ModelSignature = {
  readonly name: string;
  readonly inputs: readonly SignatureTensor[];
  readonly outputs: readonly SignatureTensor[];
};

/** Elements in one flat list, row by row; with a `shape` where the model leaves more than one size open. */
export type InputOf<D extends Datatype> = InputValues[D] | { readonly shape: readonly number[]; readonly data: InputValues[D] };
export type OutputOf<D extends Datatype> = { readonly datatype: D; readonly shape: readonly number[]; readonly data: OutputValues[D] };

/** The inputs of a model by name, as its signature has them. */
export type InputsOf<S extends ModelSignature> = { readonly [T in S['inputs'][number] as T['name']]: InputOf<T['datatype']> };
export type OutputsOf<S extends ModelSignature> = { readonly [T in S['outputs'][number] as T['name']]: OutputOf<T['datatype']> };

/** An input of a request. */
export type Tensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: ArrayLike<unknown>;
};

/**
 * Values by name as tensors, their shapes from the signature and the number of elements. Throws `invalid` for a name that
 * is missing or unknown, and for elements that do not fill a shape.
 */
export function tensorsOf(signature: ModelSignature, given: Readonly<Record<string, unknown>>): Tensor[] {
  const unknown = Object.keys(given).filter((name) => !signature.inputs.some((input) => input.name === name));
  if (unknown.length > 0)
    throw new InferenceError(
      'invalid',
      `model "${signature.name}" takes no input "${unknown[0]}": ${signature.inputs.map(({ name }) => name).join(', ')} are its inputs`,
    );
  return signature.inputs.map(({ name, datatype, shape }) => {
    const value = given[name] as ArrayLike<unknown> | { shape: readonly number[]; data: ArrayLike<unknown> } | undefined;
    if (value === undefined)
      throw new InferenceError('invalid', `input "${name}" is missing: ${datatype} with shape [${shape.join(',')}] is expected`);
    if ('data' in value) return { name, datatype, shape: value.shape, data: value.data };
    return { name, datatype, shape: filled({ name, shape }, value.length), data: value };
  });
}

function filled({ name, shape }: { name: string; shape: readonly number[] }, elements: number): number[] {
  const open = shape.filter((dimension) => dimension < 0).length;
  if (open > 1)
    throw new InferenceError('invalid', `input "${name}" has shape [${shape.join(',')}] with ${open} open sizes: give { shape, data }`);
  const rest = sizeOf(shape.filter((dimension) => dimension >= 0));
  const size = open === 0 ? elements : elements / rest;
  if (!Number.isInteger(size) || (open === 0 && rest !== elements))
    throw new InferenceError('invalid', `input "${name}" has ${elements} elements, which do not fill shape [${shape.join(',')}]`);
  return shape.map((dimension) => (dimension < 0 ? size : dimension));
}
