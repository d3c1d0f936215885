import { createHash } from 'node:crypto';
import type { StepContext } from '../contracts/activities.js';
import type { Reusable } from '../contracts/steps.js';
import { canonicalJson } from '../domain/json.js';
import type { ObjectStore, StepCache } from './ports.js';

/** What `cachedStep` needs. */
export type StepCacheDeps = { readonly cache: StepCache; readonly objects: Pick<ObjectStore, 'has'> };

/** A step by what makes its output: its name, the version of its code, and its inputs (parameters and digests, plain JSON). */
export type CachedStep = {
  readonly step: string;
  readonly context: StepContext;
  /** Changed by whoever changes what the step answers for the same inputs; a trainer's is the digest of its sources. */
  readonly codeVersion: string;
  readonly inputs: unknown;
};

/** `sha256:<hex>` over step, code version and inputs: equal for every run whose step would do the same. */
export function stepKey({ step, codeVersion, inputs }: Pick<CachedStep, 'step' | 'codeVersion' | 'inputs'>): string {
  return `sha256:${createHash('sha256').update(canonicalJson({ step, codeVersion, inputs })).digest('hex')}`;
}

/**
 * Answers what an earlier run made of the same inputs, with `reusedFrom` naming that run, or runs the step and keeps its
 * output. With `useCache` false nothing is looked up, and the output is still kept. An output whose objects are no longer
 * all there is made again. Failures are never kept.
 */
export async function cachedStep<T extends object>(deps: StepCacheDeps, step: CachedStep, run: () => Promise<T>): Promise<Reusable<T>> {
  const key = stepKey(step);
  if (step.context.useCache) {
    const found = await deps.cache.find(key);
    if (found !== null && (await allPresent(deps, found.output))) {
      return { ...(found.output as T), reusedFrom: found.run };
    }
  }
  const output = await run();
  await deps.cache.store({ key, step: step.step, model: step.context.model, run: step.context.run, output, inputs: step.inputs });
  return output;
}

async function allPresent(deps: StepCacheDeps, output: unknown): Promise<boolean> {
  for (const digest of new Set(objectDigests(output))) {
    if (!(await deps.objects.has(digest))) return false;
  }
  return true;
}

/** Digests of the stored objects that a value refers to: everything with a digest and a size. */
function objectDigests(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = 'digest' in value && 'bytes' in value && typeof value.digest === 'string' ? [value.digest] : [];
  return [...own, ...Object.values(value).flatMap(objectDigests)];
}
