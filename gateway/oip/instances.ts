import { invalid } from '../http/request-error.js';
import type { Signature, SignatureTensor } from '../plans/serving-plan.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { isObject, kindOf } from './oip-request.js';

/** A request of `{"instances":[...]}`: each an object by field, a list in the signature's order, or, for one field, its value. */
export function fromInstances(instances: unknown, plan: Signature): InferRequest {
  if (!Array.isArray(instances) || instances.length === 0)
    throw invalid(`instances is ${Array.isArray(instances) ? 'empty' : kindOf(instances)}: a list of at least one instance is expected`);
  const columns: unknown[][] = plan.inputs.map(() => []);
  instances.forEach((instance: unknown, row) => {
    if (isObject(instance)) {
      for (const name of Object.keys(instance)) {
        if (!plan.inputs.some((input) => input.name === name))
          throw invalid(`instances[${row}].${name.slice(0, 100)} is not known: the model takes ${namesOf(plan)}`);
      }
      plan.inputs.forEach(({ name, datatype }, i) => {
        if (!Object.hasOwn(instance, name)) throw invalid(`instances[${row}].${name} is missing: ${datatype} is expected`);
        columns[i]!.push(instance[name]);
      });
      return;
    }
    const values = Array.isArray(instance) && !(plan.inputs.length === 1 && isWide(plan.inputs[0]!)) ? instance : [instance];
    if (values.length !== plan.inputs.length)
      throw invalid(`instances[${row}] has ${values.length} values: ${plan.inputs.length} are expected (${namesOf(plan)})`);
    values.forEach((value: unknown, i) => columns[i]!.push(value));
  });
  return requestOf(plan, columns);
}

/** A request of the values of each input, a list a row, in the signature's order. */
function requestOf(plan: Signature, columns: readonly (readonly unknown[])[]): InferRequest {
  const inputs = plan.inputs.map(({ name, datatype, shape }, i): RequestInput => {
    const data = columns[i]!;
    return { name, datatype, shape: [data.length, ...sizesOf(data[0], shape.length - 1)], data };
  });
  return { id: null, parameters: {}, inputs, outputs: null };
}

/** Sizes of a nested list, as deep as the signature says. */
export function sizesOf(value: unknown, depth: number): number[] {
  return depth <= 0 || !Array.isArray(value) ? [] : [value.length, ...sizesOf(value[0], depth - 1)];
}

function isWide(input: SignatureTensor): boolean {
  return input.shape.length > 1;
}

/** Names of a model's inputs, as they stand in a message. */
export function namesOf(plan: Signature): string {
  return plan.inputs.map(({ name }) => name).join(', ');
}
