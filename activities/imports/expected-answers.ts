import { z } from 'zod';
import type { Parity } from '../../contracts/activities.js';
import { PerennialError } from '../../domain/errors.js';
import { differs } from '../evaluation/check-onnx.js';
import type { PackageAnswers } from '../trial-ports.js';
import { longInteger, parseExactJson } from './exact-json.js';

export const defaultTolerance = 1e-4;

type Answer = PackageAnswers['answers'][number];
type Expected = z.infer<typeof expectedShape>['outputs'][number];

const expectedShape = z.object({
  outputs: z.array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int().min(0)), data: z.array(z.unknown()) })).min(1),
});

/** Numbers that are compared within the tolerance; integers, texts and booleans must be equal. */
const floats: ReadonlySet<string> = new Set(['FP16', 'FP32', 'FP64']);

/**
 * How near answers are to those of the native model, an Open Inference Protocol response as JSON, in the outputs that it has.
 * `ArtifactRejected` names the first output or element that differs, with both values and the tolerance.
 */
export function compareWithExpected(answers: PackageAnswers['answers'], expected: Uint8Array, tolerance: number): Parity {
  let values = 0;
  let largestDifference = 0;
  for (const output of readExpected(expected)) {
    const answer = answers.find(({ name }) => name === output.name);
    if (answer === undefined)
      throw rejected(
        `model.onnx answers ${answers.map(({ name }) => JSON.stringify(name)).join(', ')}, and the expected answer has ${JSON.stringify(output.name)}: expect outputs of the file`,
      );
    largestDifference = Math.max(largestDifference, compareOutput(answer, output, tolerance));
    values += answer.data.length;
  }
  return { values, largestDifference, tolerance };
}

function readExpected(bytes: Uint8Array): Expected[] {
  const wayOut = 'give an Open Inference Protocol response: {"outputs": [{"name", "datatype", "shape", "data"}]}';
  let value: unknown;
  try {
    value = parseExactJson(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw rejected(`the expected answer is no JSON (${(cause as Error).message}): ${wayOut}`, cause);
  }
  const parsed = expectedShape.safeParse(value);
  if (!parsed.success) throw rejected(`the expected answer is not read: ${z.prettifyError(parsed.error)}; ${wayOut}`);
  return parsed.data.outputs;
}

/** The largest difference of a number from the expected one. */
function compareOutput(answer: Answer, expected: Expected, tolerance: number): number {
  const name = JSON.stringify(answer.name);
  const told = ({ datatype, shape }: Pick<Answer, 'datatype' | 'shape'>) => `${datatype} [${shape.join(',')}]`;
  if (told(answer) !== told(expected))
    throw rejected(
      `model.onnx answers ${name} as ${told(answer)}, where ${told(expected)} is expected: it is another model, or another example`,
    );
  const data = expected.data.flat(Infinity);
  if (data.length !== answer.data.length)
    throw rejected(
      `the expected answer has ${data.length} elements of ${name}, where its shape [${expected.shape.join(',')}] says ${answer.data.length}`,
    );
  const isFloat = floats.has(answer.datatype);
  let largest = 0;
  answer.data.forEach((found, at) => {
    const wanted = isFloat ? numberOf(data[at]) : data[at];
    // Whole numbers too long for JavaScript are text on both sides.
    if (isFloat ? typeof wanted !== 'number' || differs(found as number, wanted, tolerance) : found !== wanted)
      throw rejected(
        `model.onnx answers ${shown(found)} in element ${at} of ${name}, where ${shown(wanted)} is expected (${isFloat ? `tolerance ${tolerance}, relative above 1` : 'equal'}): the file does not answer as its native model does`,
      );
    if (isFloat) largest = Math.max(largest, Math.abs((found as number) - (wanted as number)));
  });
  return largest;
}

/** A float may be written as a long integer. */
const numberOf = (value: unknown): unknown => (typeof value === 'string' && longInteger.test(value) ? Number(value) : value);

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 100) ?? String(value);

function rejected(what: string, cause?: unknown): PerennialError {
  return new PerennialError('ArtifactRejected', what, cause === undefined ? {} : { cause });
}
