import type { ModelTrial, ModelTrials, PackageAnswers, PackageTrials, TrialTensors } from '../../activities/trial-ports.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import { modelLoadLimitMs } from '../gateway-config.js';
import { RequestError } from '../http/request-error.js';
import { quote, readInferRequest } from '../oip/oip-request.js';
import type { OutputTensor, Predicted, Prepared, ServingPlan } from '../plans/serving-plan.js';
import { measureFirstRuns, planOf, refusedByModel } from './first-runs.js';
import { halfNumber } from './half.js';
import { madeExample } from './made-example.js';
import { checkRowsAgree } from './row-agreement.js';
import type { NamedTensors } from './tensors.js';
import { sliceRows } from './tensors.js';

/** As long as a gateway gives a model; memory far above what models of a gateway take, far below what a worker's machine has. */
const limits = { memoryBytes: 4 * 1024 ** 3, limitMs: modelLoadLimitMs };
/** How long all measured runs may take together. */
const measuringMs = 20_000;
/** A model whose runs take longer is asked as few rows as will do. */
const slowMs = 1_000;
/** As a gateway has it when nobody says otherwise. */
const quickMs = 0.3;

type Asked = { readonly plan: ServingPlan; readonly spec: ServingSpec; readonly trial: ModelTrial; readonly given: unknown };

/** Packages are tried by the gateway's own plans and first runs, so that what passes here is loaded there. */
export function createPackageTrials(trials: ModelTrials): PackageTrials {
  return {
    async ask({ model, spec, example: given }, runs) {
      try {
        const trial = await trials.open(model, limits);
        try {
          const plan = planOf({ spec }, trial);
          return await ask({ plan, spec, trial, given }, runs);
        } finally {
          await trial.close();
        }
      } catch (error) {
        throw named(error);
      }
    },
  };
}

async function ask(of: Asked, runs: number): Promise<PackageAnswers> {
  const { plan, spec, trial, given } = of;
  checkSignature(plan);
  const example = given ?? madeExample(plan.inputs, spec.request);
  const prepared = prepare(of, example);
  const feeds = prepared.feeds as TrialTensors;
  const first = await answering(of, () => trial.run(feeds, 1));
  const predicted = await answering(of, () => plan.read(first.outputs as NamedTensors, prepared.rows));
  const few = first.runsMs[0]! > slowMs;
  if (plan.batchable) await checkRowsAgree(trial, { feeds: prepared.feeds, rows: prepared.rows, few });
  await measureFirstRuns({ plan, trial, example, quickMs });
  return {
    inputs: plan.inputs.map(signatureOf),
    outputs: plan.outputs.map(signatureOf),
    example,
    answers: answersOf(predicted),
    // Gates speak of a single row, however many the example has.
    runsMs: await measured(trial, { feeds: plan.batchable ? firstRow(feeds) : feeds, runs }),
  };
}

/** What callers could not send, or would not get, as JSON. */
function checkSignature({ inputs, outputs }: ServingPlan): void {
  if (inputs.length === 0) throw rejected('takes no inputs: there is nothing to ask it; export it with an input');
  const half = [...inputs, ...outputs].find(({ datatype }) => datatype === 'FP16');
  if (half !== undefined)
    throw rejected(
      `has ${quote(half.name)} as FP16, which has no JSON form: export it with FP32 inputs and outputs (weights may stay FP16; onnxconverter-common: keep_io_types=True)`,
    );
}

function prepare({ plan, spec, given }: Asked, example: unknown): Prepared {
  let prepared: Prepared;
  try {
    prepared = plan.prepare(readInferRequest(example), { history: outcomeHistory(), nowMs: Date.now() });
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw rejected(
      given === null
        ? `cannot be asked a request that is made of its inputs: ${error.message}; ${wayOut}`
        : `cannot be asked the example: ${error.message}`,
      error,
    );
  }
  const [record] = prepared.records;
  const absent = spec.subject.find((name) => record?.[name] === undefined);
  if (absent !== undefined)
    throw rejected(
      `has no input ${quote(absent)} of at most 64 values a row, of which serving.subject could be made; its inputs are ${plan.inputs.map(({ name }) => name).join(', ')}`,
    );
  return prepared;
}

const wayOut = 'give a request that it answers: --example request.json';

/** Has a fault of the request, or of the answer to it, name the example. */
async function answering<T>({ given }: Asked, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RequestError) && !refusedByModel(error)) throw error;
    const { message } = error as Error;
    throw rejected(
      given === null
        ? `does not answer a request that is made of its inputs: ${message}; ${wayOut}`
        : `does not answer the example: ${message}`,
      error,
    );
  }
}

function firstRow(feeds: TrialTensors): TrialTensors {
  return Object.fromEntries(Object.entries(feeds as NamedTensors).map(([name, tensor]) => [name, sliceRows(tensor, 0, 1)])) as TrialTensors;
}

/** Times of up to `runs` runs within the time for measuring, and of one at least. */
async function measured(trial: ModelTrial, { feeds, runs }: { feeds: TrialTensors; runs: number }): Promise<number[]> {
  const runsMs: number[] = [];
  let spentMs = 0;
  let next = 1;
  while (next > 0) {
    const ran = await trial.run(feeds, next);
    runsMs.push(...ran.runsMs);
    spentMs += ran.runsMs.reduce((sum, ms) => sum + ms, 0);
    next = Math.min(runs - runsMs.length, runsMs.length, Math.floor((measuringMs - spentMs) / (spentMs / runsMs.length)));
  }
  return runsMs;
}

const signatureOf = ({ name, datatype, shape }: ServingPlan['inputs'][number]) => ({ name, datatype, shape: [...shape] });

function answersOf({ outputs }: Predicted): PackageAnswers['answers'] {
  return outputs.map((output) => ({ ...signatureOf(output), data: Array.from(output.data, (value) => plain(value, output.datatype)) }));
}

/** An element as JSON has it; an integer beyond 2^53 as text, with the digits that a number would lose. */
function plain(value: number | bigint | string, datatype: OutputTensor['datatype']): number | string | boolean {
  if (datatype === 'BOOL') return value === 1;
  if (datatype === 'FP16') return halfNumber(Number(value));
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function named(error: unknown): unknown {
  if (!(error instanceof PerennialError) || error.type !== 'ArtifactRejected' || error.message.startsWith('model.onnx')) return error;
  return rejected(`is not imported: ${error.message}`, error);
}

function rejected(what: string, cause?: unknown): PerennialError {
  return new PerennialError('ArtifactRejected', `model.onnx ${what}`, cause === undefined ? {} : { cause });
}
