import { z } from 'zod';
import type { TrainedDefinition } from '../domain/model-definition.js';
import {
  commonFields,
  type DeepReadonly,
  durationMs,
  type Flat,
  identifier,
  inputFeature,
  kebab,
  latencyGate,
  positiveCount,
  positiveMs,
  type Same,
  servingShape,
  text,
} from './definition-common-schema.js';

/** Shape of a model definition, field by field. What one field alone cannot show is in `definition-rules.ts`. */

const share = z.number().gt(0).lt(1);
const count = z.int().min(0);

const columnCheck = z.strictObject({
  name: identifier,
  type: z.enum(['timestamp', 'integer', 'number', 'text', 'boolean']),
  min: z.number().exactOptional(),
  max: z.number().exactOptional(),
  allowed: z
    .array(z.union([z.string(), z.number()]))
    .min(1)
    .exactOptional(),
  nullable: z.boolean().exactOptional(),
});

const dataFile = z
  .string()
  .regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$)).+\.(csv|parquet)$/, 'a .csv or .parquet path below the data folder, or an s3:// address of one');

const source = z.strictObject({
  kind: z.literal('sql'),
  files: z.record(identifier, dataFile).refine((files) => Object.keys(files).length > 0, 'at least one view name with its file'),
  query: text,
  licence: text.exactOptional(),
  origin: text.exactOptional(),
});

const feature = z.discriminatedUnion('kind', [
  inputFeature,
  z.strictObject({ kind: z.literal('calendar'), name: identifier, part: z.enum(['hour', 'dayOfWeek', 'month', 'dayOfYear', 'isWeekend']) }),
  z.strictObject({ kind: z.literal('lag'), name: identifier, agoMs: positiveMs }),
  z.strictObject({ kind: z.literal('rollingMean'), name: identifier, windowMs: positiveMs }),
]);

const hyperparameter = z.union([z.string(), z.number(), z.boolean()]);

const searchDimension = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('int'), low: z.int(), high: z.int(), log: z.boolean().exactOptional() }),
  z.strictObject({ kind: z.literal('float'), low: z.number(), high: z.number(), log: z.boolean().exactOptional() }),
  z.strictObject({ kind: z.literal('choice'), values: z.array(z.union([z.string(), z.number()])).min(1) }),
]);

const metric = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mape'), name: identifier, floor: z.number().gt(0) }),
  z.strictObject({ kind: z.literal('wape'), name: identifier }),
  z.strictObject({ kind: z.literal('rmse'), name: identifier }),
  z.strictObject({ kind: z.literal('mae'), name: identifier }),
  z.strictObject({ kind: z.literal('bias'), name: identifier }),
]);

const gate = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('maximum'), metric: identifier, limit: z.number(), minRows: positiveCount }),
  z.strictObject({ kind: z.literal('minimum'), metric: identifier, limit: z.number(), minRows: positiveCount }),
  z.strictObject({
    kind: z.literal('notWorseThanChampion'),
    metric: identifier,
    maxRelativeIncrease: z.number().min(0),
    minRows: positiveCount,
  }),
  latencyGate,
]);

const cronField = String.raw`(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(\/[0-9]+)?(,(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(\/[0-9]+)?)*`;

const schedule = z.strictObject({
  name: kebab,
  cron: z.string().regex(new RegExp(`^${cronField}( ${cronField}){4}$`), 'five cron fields: minute hour day month weekday, UTC'),
  overlap: z.enum(['skip', 'bufferOne', 'allowAll']),
  catchUpWindowMs: durationMs,
  note: text.exactOptional(),
});

const trainer = z.strictObject({
  name: kebab,
  hyperparameters: z.record(identifier, hyperparameter),
  seed: count,
  refit: z.boolean(),
  silenceLimitMs: positiveMs,
});

const tuning = z.strictObject({
  sampler: z.enum(['bayesian', 'random', 'grid']),
  trials: positiveCount,
  parallelism: positiveCount,
  objective: identifier,
  space: z.record(identifier, searchDimension).refine((space) => Object.keys(space).length > 0, 'at least one hyperparameter to search'),
});

/** The shape of a definition whose versions are trained here. Unknown fields are refused at every depth. */
export const trainedSchema = z.strictObject({
  ...commonFields,
  task: z.enum(['regression', 'classification']),
  source,
  window: z.strictObject({ days: z.number().gt(0) }),
  eventTime: identifier,
  target: z.strictObject({ column: identifier, unit: text }),
  checks: z.strictObject({ columns: z.array(columnCheck).min(1), uniqueBy: z.array(identifier).min(1), minRows: positiveCount }),
  features: z.array(feature).min(1),
  split: z.strictObject({ kind: z.literal('time'), trainShare: share }),
  trainer,
  tuning: tuning.exactOptional(),
  metrics: z.array(metric).min(1),
  gates: z.array(gate).min(1),
  serving: servingShape(identifier, 1),
  retraining: z.strictObject({ schedules: z.array(schedule), coolDownMs: durationMs }),
});

const schemaMatchesType: Same<Flat<DeepReadonly<z.infer<typeof trainedSchema>>>, Flat<TrainedDefinition>> = true;
void schemaMatchesType;
