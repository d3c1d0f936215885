import type { FeatureSet } from '../contracts/activities.js';
import type { DatasetRef } from '../contracts/artifacts.js';
import type { RetrainInput } from '../contracts/retrain.js';
import type { TrainedDefinition } from '../domain/model-definition.js';
import { data, loads } from './activity-proxies.js';
import { contextOf } from './candidate.js';
import type { StepLog } from './step-log.js';

export type Data = {
  readonly dataset: DatasetRef;
  readonly all: FeatureSet;
  readonly train: FeatureSet;
  readonly holdout: FeatureSet;
  readonly fit?: FeatureSet;
  readonly validation?: FeatureSet;
};

/** Steps `extract` to `split`: from the source to the tables that training and evaluation read. */
export async function prepareData(input: RetrainInput, definition: TrainedDefinition, log: StepLog): Promise<Data> {
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

const count = (rows: number) => rows.toLocaleString('en-US');
const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
