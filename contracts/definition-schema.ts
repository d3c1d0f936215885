import { z } from 'zod';
import type { ModelDefinition } from '../domain/model-definition.js';

/** Shape of a model definition, field by field. What one field alone cannot show is in `definition-rules.ts`. */

const text = z.string().trim().min(1);
const identifier = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'an identifier (letters, digits and _, not beginning with a digit)');
const kebab = z.string().regex(/^[a-z][a-z0-9-]*$/, 'a name of small letters, digits and -, beginning with a letter');
const fraction = z.number().min(0).max(1);
const share = z.number().gt(0).lt(1);
const count = z.int().min(0);
const positiveCount = z.int().min(1);
const durationMs = z.int().min(0);
const positiveMs = z.int().min(1);

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
  z.strictObject({ kind: z.literal('input'), name: identifier, column: identifier }),
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
  z.strictObject({ kind: z.literal('latency'), maxP95Ms: z.number().gt(0) }),
]);

const limits = z.strictObject({
  maxP95Ms: z.number().gt(0),
  maxP95RatioToChampion: z.number().min(1),
  latencyRatioFloorMs: z.number().min(0).exactOptional(),
  maxErrorRate: fraction,
  maxErrorRatioToChampion: z.number().min(1),
  quality: z.strictObject({ metric: z.enum(['ape', 'absoluteError']), floor: z.number().min(0) }),
  minRequests: positiveCount,
  minPairs: positiveCount,
});

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

const requestField = z.strictObject({
  name: identifier,
  datatype: z.enum(['INT64', 'FP32', 'FP64', 'BOOL', 'BYTES']),
  description: text.exactOptional(),
  min: z.number().exactOptional(),
  max: z.number().exactOptional(),
});

const redaction = z.discriminatedUnion('how', [
  z.strictObject({ how: z.literal('drop'), field: identifier }),
  z.strictObject({ how: z.literal('hash'), field: identifier }),
  z.strictObject({ how: z.literal('mask'), field: identifier, keepLast: count.exactOptional() }),
  z.strictObject({ how: z.literal('truncate'), field: identifier, length: count }),
]);

const capture = z.strictObject({
  sagemaker: z.strictObject({ percent: z.number().gt(0).max(100), input: z.boolean(), output: z.boolean() }).exactOptional(),
  redact: z.array(redaction).min(1).exactOptional(),
  retentionDays: positiveCount.exactOptional(),
});

const cache = z.strictObject({
  ttlMs: positiveMs,
  maxEntries: positiveCount,
  normalize: z.enum(['none', 'trim', 'lowercase']).exactOptional(),
});

const entities = z.strictObject({
  key: z.array(z.strictObject({ name: identifier, datatype: z.enum(['INT64', 'BYTES']) })).min(1),
  features: z.array(identifier).min(1),
  ttlMs: durationMs,
  maxAgeMs: positiveMs.exactOptional(),
});

const accelerator = z.strictObject({
  provider: z.enum(['cuda', 'tensorrt', 'webgpu']),
  required: z.boolean(),
  // Up to 1 TiB: more is a number of bytes.
  memoryMiB: positiveCount.max(1024 * 1024),
});

const serving = z.strictObject({
  endpointKind: z.enum(['realtime', 'batch']),
  request: z.array(requestField).min(1),
  output: z.strictObject({ name: identifier, min: z.number().exactOptional(), max: z.number().exactOptional() }),
  subject: z.array(identifier).min(1),
  capture: capture.exactOptional(),
  cache: cache.exactOptional(),
  entities: entities.exactOptional(),
  accelerator: accelerator.exactOptional(),
});

/** The definition's shape. Unknown fields are refused at every depth. */
export const definitionSchema = z.strictObject({
  name: kebab.max(40),
  description: text,
  task: z.enum(['regression', 'classification']),
  owner: text,
  risk: z.enum(['low', 'limited', 'high']),
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
  serving,
  approval: z.strictObject({ expiresAfterMs: positiveMs }),
  rollout: z.strictObject({
    plan: z.enum(['fast', 'standard', 'slow', 'shadow-then-canary', 'blue-green', 'direct']).exactOptional(),
    limits,
  }),
  retraining: z.strictObject({ schedules: z.array(schedule), coolDownMs: durationMs }),
  labels: z.strictObject({ expectedDelayMs: durationMs }),
  card: z.strictObject({ intendedUse: text, primaryUsers: text, limitations: z.array(text).min(1) }),
});

// The schema and the type of domain/ describe one thing: a field added to one alone does not compile.
type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
type Flat<T> = T extends readonly (infer Item)[] ? readonly Flat<Item>[] : T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const schemaMatchesType: Same<Flat<DeepReadonly<z.infer<typeof definitionSchema>>>, Flat<DeepReadonly<ModelDefinition>>> = true;
void schemaMatchesType;
