import type { ServableVersion } from '../../activities/ports.js';
import type { ServingSpec } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { outcomeHistory } from '../../domain/outcome-history.js';
import { Batcher } from './batcher.js';
import { directPlan } from '../plans/direct-plan.js';
import { featurePlan } from '../plans/feature-plan.js';
import type { GatewayConfig } from '../gateway-config.js';
import { loadInPlace } from './in-place-runner.js';
import type { GatewayMetrics } from '../watching/metrics.js';
import type { VersionMetrics } from '../watching/version-metrics.js';
import { readInferRequest } from '../oip/oip-request.js';
import type { PackageSource } from './package-files.js';
import { readPackage } from './package-files.js';
import { RequestError } from '../http/request-error.js';
import type { Runner } from './runner.js';
import type { ServingPlan } from '../plans/serving-plan.js';
import { threadProgram } from './thread-program.js';
import type { ThreadRunner } from './thread-runner.js';
import { loadInThread } from './thread-runner.js';
import type { NamedTensors } from './tensors.js';
import { concatenate } from './tensors.js';

/** A version that is loaded, verified and warm. Retired versions are released when their last request is answered. */
export type HostedVersion = {
  readonly model: string;
  readonly version: string;
  readonly digest: string;
  readonly spec: ServingSpec;
  readonly plan: ServingPlan;
  readonly batcher: Batcher;
  readonly metrics: VersionMetrics;
  readonly placement: Runner['placement'];
  /** One run of a small request as measured at warm-up. */
  readonly runMs: number;
  readonly signature: string;
  /** Keeps the version loaded until `leave`; false when it is released already. */
  enter(): boolean;
  leave(): void;
  retire(): void;
  /** Resolves when the session is freed after `retire`. */
  readonly closed: Promise<void>;
};

export type HostDeps = { readonly source: PackageSource; readonly metrics: GatewayMetrics; readonly config: GatewayConfig };

const measuredRuns = 20;
const batchedRequests = 32;

/**
 * Loads a version for serving. It is first opened, checked and measured in a thread, whatever it is, so that a heavy or
 * broken file never stops the event loop; a model that proves cheap is then opened in place. Throws `ArtifactRejected`
 * with the reason when the package, its signature, its shape or its first answers do not hold.
 */
export async function hostVersion(deps: HostDeps, servable: ServableVersion): Promise<HostedVersion> {
  const { config } = deps;
  const { model, version } = servable;
  const startedMs = performance.now();
  const contents = await readPackage(deps.source, servable);
  const rejected = (reason: string): PerennialError =>
    new PerennialError('ArtifactRejected', `${model} ${version} cannot be served: ${reason}`);
  const program = await threadProgram(config.inferenceThread);
  const trial = await loadInThread({
    model: contents.model,
    program,
    limitMs: config.loadLimitMs,
  }).catch((error: Error) => {
    throw rejected(`model.onnx does not load: ${error.message}`);
  });
  let runner: Runner = trial;
  try {
    const plan = planOf(contents.spec, trial);
    const runMs = await withLimit(
      warmUp({ plan, trial, example: contents.example, maxRunMs: config.inPlaceMaxMs }),
      config.loadLimitMs,
    ).catch((error: Error) => {
      throw rejected(error.message);
    });
    trial.limitRuns(config.answerLimitMs);
    if (runMs <= config.inPlaceMaxMs) {
      runner = await loadInPlace(contents.model).catch((error: Error) => {
        throw rejected(`model.onnx does not load: ${error.message}`);
      });
      // Only to have the first run behind it; zeros need not mean anything to the model.
      await runner.run(plan.sample(1)).catch(() => undefined);
      await trial.release();
    }
    const metrics = deps.metrics.version(model, version);
    const batcher = new Batcher(runner, {
      batchable: plan.batchable,
      maxRows: config.maxBatchRows,
      maxWaiting: config.maxWaiting,
      onBatch: (batch) => metrics.ran(batch),
    });
    const signature = JSON.stringify([plan.inputs, plan.outputs, contents.spec.request, contents.spec.eventTimeField]);
    const { atWork, ...life } = lifetime(runner);
    const loadSeconds = (performance.now() - startedMs) / 1000;
    const released = metrics.loaded({ loadSeconds, inFlight: atWork, waiting: () => batcher.pending });
    void life.closed.then(released);
    return {
      model,
      version,
      digest: servable.package.digest,
      spec: contents.spec,
      plan,
      batcher,
      metrics,
      placement: runner.placement,
      runMs,
      signature,
      ...life,
    };
  } catch (error) {
    // Not waited for: a model that hangs never ends its thread.
    void trial.release();
    if (runner !== trial) await runner.release();
    throw error;
  }
}

function planOf(spec: ServingSpec, runner: Runner): ServingPlan {
  return spec.features.length === 0 ? directPlan(spec, runner) : featurePlan(spec, runner);
}

/**
 * First runs, on the package's own example or, where it has none, on zeros (which need not mean anything to the model: then
 * a NaN is no reason to refuse it). Answers a quiet figure of one run (the lower quartile), in milliseconds.
 */
async function warmUp(input: { plan: ServingPlan; trial: ThreadRunner; example: unknown; maxRunMs: number }): Promise<number> {
  const { plan, trial } = input;
  const example =
    input.example === null ? null : plan.prepare(readInferRequest(input.example), { history: outcomeHistory(), nowMs: Date.now() });
  const feeds = example?.feeds ?? plan.sample(1);
  const rows = example?.rows ?? 1;
  const check = (outputs: NamedTensors, expected: number): void => {
    try {
      plan.read(outputs, expected);
    } catch (error) {
      if (example !== null || !(error instanceof RequestError && error.kind === 'notFinite')) throw error;
    }
  };
  const runs: number[] = [];
  for (let i = 0; i < measuredRuns; i++) {
    check(await trial.run(feeds), rows);
    runs.push(trial.lastRunMs);
    // A costly model is known as such after three runs; the rest would only delay it.
    if (i === 2 && Math.min(...runs) > 10 * input.maxRunMs) break;
  }
  if (plan.batchable) check(await trial.run(repeated(feeds, batchedRequests)), rows * batchedRequests);
  return runs.sort((a, b) => a - b)[Math.floor(runs.length / 4)]!;
}

function repeated(feeds: NamedTensors, times: number): NamedTensors {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [name, concatenate(Array.from({ length: times }, () => tensor))]),
  );
}

async function withLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`its first runs took longer than ${limitMs} ms`)), limitMs);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

function lifetime(runner: Runner): Pick<HostedVersion, 'enter' | 'leave' | 'retire' | 'closed'> & { atWork(): number } {
  let inFlight = 0;
  let retired = false;
  let released = false;
  let close = (): void => undefined;
  const closed = new Promise<void>((resolve) => (close = resolve));
  const release = (): void => {
    if (!retired || released || inFlight > 0) return;
    released = true;
    // Not within the turn that answered the last request: its batch may still be on the stack.
    setImmediate(
      () =>
        void runner
          .release()
          .catch(() => undefined)
          .finally(close),
    );
  };
  return {
    closed,
    atWork: () => inFlight,
    enter() {
      if (!released) inFlight++;
      return !released;
    },
    leave() {
      inFlight--;
      release();
    },
    retire() {
      retired = true;
      release();
    },
  };
}
