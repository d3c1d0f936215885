import { quote } from './oip-request.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { invalid } from '../http/request-error.js';

/** The inputs of a request in the order of the signature; unknown and repeated names are refused, missing ones are left undefined. */
export function orderedInputs(request: InferRequest, positions: ReadonlyMap<string, number>): (RequestInput | undefined)[] {
  const ordered: (RequestInput | undefined)[] = [];
  for (let i = 0; i < positions.size; i++) ordered.push(undefined);
  for (const input of request.inputs) {
    const position = positions.get(input.name);
    if (position === undefined)
      throw invalid(`input ${quote(input.name)} is not known: the model takes ${[...positions.keys()].join(', ')}`);
    if (ordered[position] !== undefined) throw invalid(`input ${quote(input.name)} is given twice`);
    ordered[position] = input;
  }
  return ordered;
}

/** Refuses outputs that the model does not have. */
export function checkOutputNames(request: InferRequest, names: readonly string[]): void {
  if (request.outputs === null) return;
  for (const { name } of request.outputs) {
    if (!names.includes(name)) throw invalid(`output ${quote(name)} is not known: the model answers ${names.join(', ')}`);
  }
}
