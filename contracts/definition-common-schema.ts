import { z } from 'zod';

/** What the shapes of all definitions share. */

export const text = z.string().trim().min(1);
export const identifier = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'an identifier (letters, digits and _, not beginning with a digit)');
export const kebab = z.string().regex(/^[a-z][a-z0-9-]*$/, 'a name of small letters, digits and -, beginning with a letter');
const fraction = z.number().min(0).max(1);
const count = z.int().min(0);
export const positiveCount = z.int().min(1);
export const durationMs = z.int().min(0);
export const positiveMs = z.int().min(1);

export const inputFeature = z.strictObject({ kind: z.literal('input'), name: identifier, column: identifier });

export const latencyGate = z.strictObject({ kind: z.literal('latency'), maxP95Ms: z.number().gt(0) });

const limits = z.strictObject({
  maxP95Ms: z.number().gt(0),
  maxP95RatioToChampion: z.number().min(1),
  latencyRatioFloorMs: z.number().min(0).exactOptional(),
  maxErrorRate: fraction,
  maxErrorRatioToChampion: z.number().min(1),
  quality: z.strictObject({ metric: z.enum(['ape', 'absoluteError']), floor: z.number().min(0) }).exactOptional(),
  minRequests: positiveCount,
  minPairs: positiveCount,
});

const requestField = z.strictObject({
  name: identifier,
  datatype: z.enum(['INT64', 'FP32', 'FP64', 'BOOL', 'BYTES']),
  description: text.exactOptional(),
  min: z.number().exactOptional(),
  max: z.number().exactOptional(),
});

const captureShape = (name: z.ZodString) => {
  const redaction = z.discriminatedUnion('how', [
    z.strictObject({ how: z.literal('drop'), field: name }),
    z.strictObject({ how: z.literal('hash'), field: name }),
    z.strictObject({ how: z.literal('mask'), field: name, keepLast: count.exactOptional() }),
    z.strictObject({ how: z.literal('truncate'), field: name, length: count }),
  ]);

  return z.strictObject({
    sagemaker: z.strictObject({ percent: z.number().gt(0).max(100), input: z.boolean(), output: z.boolean() }).exactOptional(),
    redact: z.array(redaction).min(1).exactOptional(),
    retentionDays: positiveCount.exactOptional(),
  });
};

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

/** `name` is what fields and outputs may be called: a tensor of an imported file has the name that the file gives it. */
export const servingShape = (name: z.ZodString, least: number) =>
  z.strictObject({
    endpointKind: z.enum(['realtime', 'batch']),
    request: z.array(requestField).min(least),
    output: z.strictObject({ name, min: z.number().exactOptional(), max: z.number().exactOptional() }),
    subject: z.array(name).min(least),
    capture: captureShape(name).exactOptional(),
    cache: cache.exactOptional(),
    entities: entities.exactOptional(),
    accelerator: accelerator.exactOptional(),
  });

/** The fields of every definition but those that go by where its versions come from. */
export const commonFields = {
  name: kebab.max(40),
  description: text,
  owner: text,
  risk: z.enum(['low', 'limited', 'high']),
  approval: z.strictObject({ expiresAfterMs: positiveMs }),
  rollout: z.strictObject({
    plan: z.enum(['fast', 'standard', 'slow', 'shadow-then-canary', 'blue-green', 'direct']).exactOptional(),
    limits,
  }),
  labels: z.strictObject({ expectedDelayMs: durationMs }),
  card: z.strictObject({ intendedUse: text, primaryUsers: text, limitations: z.array(text).min(1) }),
};

// A schema and its type in domain/ describe one thing: a field added to one alone does not compile.
export type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;
export type Flat<T> = T extends readonly (infer Item)[] ? readonly Flat<Item>[] : T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
