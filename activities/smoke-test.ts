import { PerennialError } from '../domain/errors.js';
import type { CheckResult, StepVerdict } from '../domain/rollout-verdict.js';
import type { ObjectStore } from './ports.js';
import type { RolloutStore } from './rollout-ports.js';

/** File of a package: an Open Inference Protocol v2 request as JSON. */
const exampleFile = 'input-example.json';
const answerWithinMs = 10_000;
/** A gateway that does not answer at all is asked again; an answer that is wrong is the verdict. */
const attempts = 3;
const pauseMs = 500;

export type SmokeTestDependencies = {
  readonly store: Pick<RolloutStore, 'followers' | 'version'>;
  readonly objects: Pick<ObjectStore, 'get'>;
  /** Token of gateways that want one. */
  readonly gatewayToken?: string | null;
};
type Subject = { readonly model: string; readonly version: string };
type Waiting = { readonly signal: AbortSignal; sleep(ms: number): Promise<void> };

/**
 * Sends the package's input example to this very version on every gateway with a fresh lease, and checks the answer:
 * status 200, that version, at least one output, every number finite. `ArtifactRejected` when the package has no
 * example, `Unavailable` when there is no gateway.
 */
export async function smokeTest(
  { store, objects, gatewayToken = null }: SmokeTestDependencies,
  subject: Subject,
  waiting: Waiting,
): Promise<StepVerdict> {
  const { model, version } = subject;
  const example = await readExample({ store, objects }, subject);
  const { gateways } = await store.followers(model);
  if (gateways.length === 0)
    throw new PerennialError(
      'Unavailable',
      `No gateway has a fresh lease, so ${model} ${version} cannot be smoke-tested. Start a gateway (./perennial up does); the call is retried.`,
    );
  const path = `/v2/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}/infer`;
  const checks = await Promise.all(
    gateways.map(async ({ id, url }): Promise<CheckResult> => {
      const fault = await ask({ url: new URL(path, url).href, body: example, version, token: gatewayToken }, waiting);
      const reason = fault === null ? `gateway ${id} answered the example with finite outputs of ${version}` : `gateway ${id}: ${fault}`;
      return { check: 'smoke', outcome: fault === null ? 'passed' : 'failed', measured: null, limit: null, count: 1, reason };
    }),
  );
  const failed = checks.filter((check) => check.outcome === 'failed');
  return {
    outcome: failed.length === 0 ? 'pass' : 'fail',
    checks,
    reason: (failed.length === 0 ? checks : failed).map((check) => check.reason).join('; '),
  };
}

async function readExample({ store, objects }: SmokeTestDependencies, { model, version }: Subject): Promise<Uint8Array> {
  const servable = await store.version(model, version);
  const file = servable.package.files.find(({ path }) => path === exampleFile);
  if (file === undefined)
    throw new PerennialError(
      'ArtifactRejected',
      `The package of ${model} ${version} has no ${exampleFile}, so nothing can be asked of it. Train it again with this release.`,
    );
  return await objects.get(file.digest);
}

/** What is wrong with the answer, or null. */
async function ask(
  request: { url: string; body: Uint8Array; version: string; token: string | null },
  { signal, sleep }: Waiting,
): Promise<string | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await fetch(request.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(request.token === null ? {} : { authorization: `Bearer ${request.token}` }) },
        body: request.body,
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]),
      });
      return faultOf(response.status, await response.text(), request.version);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= attempts) return `no answer at ${request.url}: ${messageOf(error)}`;
      await sleep(pauseMs);
    }
  }
}

function faultOf(status: number, text: string, version: string): string | null {
  if (status !== 200) return `status ${status} instead of 200: ${text.slice(0, 300)}`;
  const answer = parse(text);
  if (answer === undefined) return `the answer is not JSON: ${text.slice(0, 300)}`;
  if (answer.model_version !== version) return `version ${String(answer.model_version)} answered instead of ${version}`;
  if (!Array.isArray(answer.outputs) || answer.outputs.length === 0) return 'the answer has no outputs';
  for (const output of answer.outputs as { name?: unknown; data?: unknown }[]) {
    const values = [output.data].flat(Infinity);
    const wrong = values.find((value) => typeof value !== 'string' && typeof value !== 'boolean' && !Number.isFinite(value));
    if (values.length === 0 || wrong !== undefined)
      return `output ${String(output.name)} ${values.length === 0 ? 'is empty' : `holds ${String(wrong)}, which is no finite number`}`;
  }
  return null;
}

function parse(text: string): { model_version?: unknown; outputs?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
