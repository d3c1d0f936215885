import type { ModelTrial, TrialTensors } from '../../activities/trial-ports.js';
import { PerennialError } from '../../domain/errors.js';
import { quote } from '../oip/oip-request.js';
import { refusedByModel, repeated, varied } from './first-runs.js';
import { halfNumber } from './half.js';
import type { NamedTensors, Tensor } from './tensors.js';
import { concatenate, sliceRows } from './tensors.js';

/** Rows of the example that are asked alone, and how often each comes again, changed, beside them in the batch. */
const rowsAlone = 5;
const others = 4;
/** Relative to the answer, absolute below 1: other sums than those of one row may round otherwise. */
const tolerance = 1e-4;

const wayOut =
  'the gateway runs requests together, so rows must not depend on each other: export the model for inference (PyTorch: model.eval()) and without dynamic quantisation, or with a first dimension of fixed size, so that each request is run by itself';

/**
 * Has a model answer rows alone and among other rows. `feeds` are `rows` rows that it answers. Throws `ArtifactRejected` when
 * it refuses a batch, answers another number of rows, or a row otherwise than alone.
 */
export async function checkRowsAgree(trial: ModelTrial, { feeds, rows, few }: { feeds: NamedTensors; rows: number; few: boolean }) {
  const count = Math.min(rows, few ? 1 : rowsAlone);
  const shown = mapped(feeds, (tensor) => sliceRows(tensor, 0, count));
  const { batch, outputs } = await runBatch(trial, { shown, times: few ? 1 : others });
  for (const name in outputs) {
    const answered = outputs[name]!.dims[0];
    if (answered !== batch)
      throw rejected(`answers ${answered ?? 'one value'} rows of ${quote(name)} for ${batch} rows that it is asked: ${wayOut}`);
  }
  for (let row = 0; row < count; row++) {
    const alone = (await trial.run(mapped(shown, (tensor) => sliceRows(tensor, row, 1)) as TrialTensors, 1)).outputs as NamedTensors;
    for (const name in outputs) {
      const difference = firstDifference(alone[name]!, sliceRows(outputs[name]!, row, 1));
      if (difference !== null)
        throw rejected(`answers ${difference} of ${quote(name)} for row ${row} of the example, within ${tolerance}: ${wayOut}`);
    }
  }
}

/** The shown rows, and after them the same ones with other numbers, or the very same where the model refuses other numbers. */
async function runBatch(
  trial: ModelTrial,
  { shown, times }: { shown: NamedTensors; times: number },
): Promise<{ batch: number; outputs: NamedTensors }> {
  const more = repeated(shown, times);
  const run = async (further: NamedTensors) => {
    const feeds = mapped(shown, (tensor, name) => concatenate([tensor, further[name]!]));
    const { outputs } = await trial.run(feeds as TrialTensors, 1);
    return { batch: Object.values(feeds)[0]!.dims[0]!, outputs: outputs as NamedTensors };
  };
  try {
    return await run(varied(more));
  } catch (error) {
    if (!refusedByModel(error)) throw error;
  }
  try {
    return await run(more);
  } catch (error) {
    if (!refusedByModel(error)) throw error;
    throw rejected(`refuses a batch of rows that it answers alone (${(error as Error).message}): ${wayOut}`, error);
  }
}

/** Both values of the first element that differs, in words; null when all agree. */
function firstDifference(alone: Tensor, inBatch: Tensor): string | null {
  if (alone.data.length !== inBatch.data.length) return `${alone.data.length} values alone and ${inBatch.data.length} in a batch`;
  for (let at = 0; at < alone.data.length; at++) {
    const [one, other] = [valueAt(alone, at), valueAt(inBatch, at)];
    if (!agree(one, other)) return `${one} alone and ${other} in a batch in element ${at}`;
  }
  return null;
}

function agree(one: Element, other: Element): boolean {
  if (Object.is(one, other) || typeof one !== 'number' || typeof other !== 'number') return one === other || Object.is(one, other);
  return Math.abs(one - other) <= tolerance * Math.max(1, Math.abs(one));
}

type Element = number | bigint | string;

function valueAt({ type, data }: Tensor, at: number): Element {
  const value = data[at]!;
  return type === 'float16' ? halfNumber(Number(value)) : value;
}

function mapped(feeds: NamedTensors, change: (tensor: Tensor, name: string) => Tensor): NamedTensors {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, change(tensor, name)]));
}

function rejected(what: string, cause?: unknown): PerennialError {
  return new PerennialError('ArtifactRejected', `model.onnx ${what}`, cause === undefined ? {} : { cause });
}
