import { ApplicationFailure, executeChild, ParentClosePolicy, ChildWorkflowCancellationType } from '@temporalio/workflow';
import type { EvaluationReport, FeatureSet, RunPlan, StepContext, TrainedModel } from '../contracts/activities.js';
import type { DatasetRef } from '../contracts/artifacts.js';
import { workflowIds } from '../contracts/ids.js';
import type { RetrainInput } from '../contracts/retrain.js';
import { searchAttributes } from '../contracts/search-attributes.js';
import { taskQueues } from '../contracts/task-queues.js';
import { formatMetric } from '../domain/format.js';
import { judgeGates } from '../domain/gate-judgement.js';
import type { GateResult } from '../domain/gates.js';
import type { HyperparameterValue, ModelDefinition } from '../domain/model-definition.js';
import { allGates } from '../domain/policy-rules.js';
import { data, evaluation, loads, training } from './activity-proxies.js';
import type { StepLog } from './step-log.js';
import type { tune } from './tune.workflow.js';

export type Data = {
  readonly dataset: DatasetRef;
  readonly all: FeatureSet;
  readonly train: FeatureSet;
  readonly holdout: FeatureSet;
  readonly fit?: FeatureSet;
  readonly validation?: FeatureSet;
};

/** Steps `extract` to `split`: from the source to the tables that training and evaluation read. */
export async function prepareData(input: RetrainInput, definition: ModelDefinition, log: StepLog): Promise<Data> {
  const context = contextOf(input);
  const dataset = await log.step('extract', async () => {
    const value = await loads.extractWindow({ ...context, definition, asOfMs: input.asOfMs });
    return {
      value,
      detail: `${count(value.rows)} rows of ${definition.window.days} days before ${day(input.asOfMs)}`,
      reusedFrom: value.reusedFrom,
    };
  });
  await log.step('check', async () => {
    const value = await data.checkData({ ...context, definition, dataset, asOfMs: input.asOfMs });
    return {
      value,
      detail: `${definition.checks.columns.length} columns hold over ${count(value.rows)} rows`,
      reusedFrom: value.reusedFrom,
    };
  });
  const all = await log.step('features', async () => {
    const value = await data.buildFeatures({ ...context, definition, dataset });
    return { value, detail: `${value.features.length} features, ${count(value.rows)} rows`, reusedFrom: value.reusedFrom };
  });
  const parts = await log.step('split', async () => {
    const value = await data.splitFeatures({ ...context, definition, features: all });
    return {
      value,
      detail: `by time: ${count(value.train.rows)} rows to train, ${count(value.holdout.rows)} held out from ${day(value.holdout.fromMs)}`,
      reusedFrom: value.reusedFrom,
    };
  });
  const { train, holdout, fit, validation } = parts;
  return { dataset, all, train, holdout, ...(fit === undefined || validation === undefined ? {} : { fit, validation }) };
}

/** Steps `tune` and `train`: the winner of the study, trained on the training part. */
export async function trainWinner(
  input: RetrainInput,
  definition: ModelDefinition,
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
export async function refitWinner(
  input: RetrainInput,
  definition: ModelDefinition,
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

/** Steps `evaluate` and `gates`: the ONNX file on the held-out rows, then the definition's gates and the policy's. */
export async function judgeCandidate(
  input: RetrainInput,
  plan: RunPlan,
  { tables, log, model }: { tables: Data; log: StepLog; model: TrainedModel },
): Promise<{ report: EvaluationReport; gates: readonly GateResult[]; refused: string | null }> {
  const definition = plan.published.definition;
  const report = await log.step('evaluate', async () => {
    const value = await evaluation.evaluateModel({
      ...contextOf(input),
      definition,
      onnx: model.onnx,
      holdout: tables.holdout,
      champion: plan.champion,
    });
    return { value, detail: value.metrics.map(formatMetric).join(', '), reusedFrom: value.reusedFrom };
  });
  const judged = await log.step('gates', async () => {
    const evidence = { candidate: report.metrics, champion: report.champion, latencyP95Ms: report.latencyP95Ms };
    const own = judgeGates(definition.gates, evidence);
    const gates = allGates(own.results, plan.policy, evidence);
    const refused = gates.filter((gate) => gate.outcome === 'refused').map((gate) => gate.reason);
    const reason = refused.length === 0 ? null : refused.join('; ');
    return {
      value: { gates, refused: reason },
      detail: reason ?? `${gates.filter((gate) => gate.outcome === 'passed').length} passed, none refused`,
      refused: reason !== null,
    };
  });
  return { report, ...judged };
}

function study(
  input: RetrainInput,
  definition: ModelDefinition & { tuning: NonNullable<ModelDefinition['tuning']> },
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

function trainInput(input: RetrainInput, definition: ModelDefinition, hyperparameters: Record<string, HyperparameterValue>) {
  return {
    ...contextOf(input),
    trainer: definition.trainer,
    hyperparameters,
    features: definition.features.map((feature) => feature.name),
    target: definition.target.column,
    metrics: definition.metrics,
  };
}

export function contextOf(input: RetrainInput): StepContext {
  return { model: input.model, run: input.run, useCache: input.useCache };
}

const count = (rows: number) => rows.toLocaleString('en-US');
const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
