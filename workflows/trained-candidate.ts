import { ApplicationFailure, executeChild, ParentClosePolicy, ChildWorkflowCancellationType } from '@temporalio/workflow';
import type { EvaluationReport, FeatureSet, RunPlan, TrainedModel } from '../contracts/activities.js';
import { workflowIds } from '../contracts/ids.js';
import type { RetrainInput } from '../contracts/retrain.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import { taskQueues } from '../contracts/task-queues.js';
import { formatMetric } from '../domain/format.js';
import type { HyperparameterValue, TrainedDefinition } from '../domain/model-definition.js';
import { evaluation, training } from './activity-proxies.js';
import { type Candidate, contextOf, judge, register, riskOf, signUnlessRefused } from './candidate.js';
import { type Data, prepareData } from './prepared-data.js';
import type { StepLog } from './step-log.js';
import type { tune } from './tune.workflow.js';

/** Steps `extract` to `register` of a run that makes its model out of data. */
export async function trainCandidate(
  input: RetrainInput,
  { plan, definition }: { plan: RunPlan; definition: TrainedDefinition },
  log: StepLog,
): Promise<Candidate> {
  const tables = await prepareData(input, definition, log);
  const trained = await trainWinner(input, definition, { tables, log });
  const report = await evaluateCandidate(input, { plan, definition }, { tables, log, model: trained.model });
  const evidence = { candidate: report.metrics, champion: report.champion, latencyP95Ms: report.latencyP95Ms };
  const judged = await judge(plan, evidence, log);
  // A refused candidate is packaged as it was evaluated: there is nothing to refit, and its record must show what was refused.
  const final =
    judged.refused === null ? await refitWinner(input, definition, { tables, log, trained }) : { model: trained.model, rows: tables.train };
  const unsigned = await log.step('package', async () => {
    const value = await evaluation.packageModel({
      ...contextOf(input),
      definition,
      trained: final.model,
      sample: tables.holdout,
      evaluation: report.object,
    });
    return { value, detail: `${value.files.length} files, ${value.digest.slice(0, 19)}…`, reusedFrom: value.reusedFrom };
  });
  const signed = await signUnlessRefused(input, { unsigned, refused: judged.refused }, log);
  const risk = riskOf(plan, { evidence, architectureChanged: plan.architectureChanged });
  return await register(
    input,
    { plan, evidence, ...judged, package: signed, risk },
    {
      log,
      made: {
        evaluation: report.object,
        hyperparameters: trained.hyperparameters,
        dataset: tables.dataset,
        trainedFromMs: final.rows.fromMs,
        trainedToMs: final.rows.toMs,
      },
    },
  );
}

/** Steps `tune` and `train`: the winner of the study, trained on the training part. */
async function trainWinner(
  input: RetrainInput,
  definition: TrainedDefinition,
  { tables, log }: { tables: Data; log: StepLog },
): Promise<{ model: TrainedModel; hyperparameters: Record<string, HyperparameterValue> }> {
  const tuned = definition.tuning === undefined ? {} : await study(input, { ...definition, tuning: definition.tuning }, { tables, log });
  if (definition.tuning === undefined) await log.skip('tune', 'the definition asks for no tuning');
  const hyperparameters = { ...definition.trainer.hyperparameters, ...tuned };
  const model = await log.step('train', async () => {
    const value = await training.trainModel({
      ...trainInput(input, definition, hyperparameters),
      purpose: 'train',
      train: tables.train.object,
    });
    return { value, detail: `${definition.trainer.name} in ${value.seconds.toFixed(1)} s`, reusedFrom: value.reusedFrom };
  });
  return { model, hyperparameters };
}

/** Step `refit`: the same settings on the whole window, or the trained model itself. */
async function refitWinner(
  input: RetrainInput,
  definition: TrainedDefinition,
  { tables, log, trained }: { tables: Data; log: StepLog; trained: Awaited<ReturnType<typeof trainWinner>> },
): Promise<{ model: TrainedModel; rows: FeatureSet }> {
  if (!definition.trainer.refit) {
    await log.skip('refit', 'the definition serves the evaluated file itself');
    return { model: trained.model, rows: tables.train };
  }
  const model = await log.step('refit', async () => {
    const value = await training.trainModel({
      ...trainInput(input, definition, trained.hyperparameters),
      purpose: 'refit',
      train: tables.all.object,
    });
    return {
      value,
      detail: `same settings on all ${count(tables.all.rows)} rows in ${value.seconds.toFixed(1)} s`,
      reusedFrom: value.reusedFrom,
    };
  });
  return { model, rows: tables.all };
}

/** Step `evaluate`: the ONNX file on the held-out rows, beside the champion's. */
async function evaluateCandidate(
  input: RetrainInput,
  { plan, definition }: { plan: RunPlan; definition: TrainedDefinition },
  { tables, log, model }: { tables: Data; log: StepLog; model: TrainedModel },
): Promise<EvaluationReport> {
  return await log.step('evaluate', async () => {
    const value = await evaluation.evaluateModel({
      ...contextOf(input),
      definition,
      onnx: model.onnx,
      holdout: tables.holdout,
      champion: plan.champion,
    });
    return { value, detail: value.metrics.map(formatMetric).join(', '), reusedFrom: value.reusedFrom };
  });
}

function study(
  input: RetrainInput,
  definition: TrainedDefinition & { tuning: NonNullable<TrainedDefinition['tuning']> },
  { tables, log }: { tables: Data; log: StepLog },
): Promise<Readonly<Record<string, HyperparameterValue>>> {
  const { fit, validation } = tables;
  if (fit === undefined || validation === undefined)
    throw ApplicationFailure.nonRetryable(`the split of ${input.model} left nothing to tune on`, 'DataInvalid');
  return log.step('tune', async () => {
    const result = await executeChild<typeof tune>('tune', {
      workflowId: workflowIds.tune(input.model, input.run),
      taskQueue: taskQueues.lifecycle,
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      typedSearchAttributes: [
        { key: searchAttributes.model, value: input.model },
        { key: searchAttributes.trigger, value: input.trigger },
        { key: searchAttributes.stage, value: 'tuning' },
      ],
      args: [
        {
          model: input.model,
          run: input.run,
          tuning: definition.tuning,
          trainer: definition.trainer,
          metrics: definition.metrics,
          features: fit.features,
          target: fit.target,
          train: fit.object,
          validation: validation.object,
          useCache: input.useCache,
        },
      ],
    });
    const best = Object.entries(result.best.params)
      .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
      .join(', ');
    const detail = `${result.trials.length} trials, best ${result.objective} ${result.best.value?.toFixed(4)} with ${best}`;
    return { value: result.best.params, detail, reusedFrom: result.reusedFrom };
  });
}

function trainInput(input: RetrainInput, definition: TrainedDefinition, hyperparameters: Record<string, HyperparameterValue>) {
  return {
    ...contextOf(input),
    trainer: definition.trainer,
    hyperparameters,
    features: definition.features.map((feature) => feature.name),
    target: definition.target.column,
    metrics: definition.metrics,
  };
}

const count = (rows: number) => rows.toLocaleString('en-US');
