import type { RegistryActivities, RunPlan, StepContext } from '../contracts/activities.js';
import type { PackageRef } from '../contracts/artifacts.js';
import type { RetrainInput } from '../contracts/retrain.js';
import { judgeGates } from '../domain/gate-judgement.js';
import type { GateEvidence, GateResult } from '../domain/gates.js';
import { allGates } from '../domain/policy-rules.js';
import { assessRisk } from '../domain/risk.js';
import { evaluation, registry } from './activity-proxies.js';
import type { StepLog } from './step-log.js';

/** What a run made, judged and registered; `refused` is the gates' reason. */
export type Candidate = {
  readonly plan: RunPlan;
  readonly evidence: GateEvidence;
  readonly gates: readonly GateResult[];
  readonly refused: string | null;
  readonly package: PackageRef;
  readonly risk: ReturnType<typeof assessRisk>;
  readonly version: string;
};

/** Where a candidate comes from, as its version tells it. */
type Made = Pick<
  Parameters<RegistryActivities['registerVersion']>[0],
  'evaluation' | 'hyperparameters' | 'dataset' | 'trainedFromMs' | 'trainedToMs' | 'shape' | 'framework'
>;

/** Step `gates`: the definition's own, then the policy's. */
export async function judge(
  plan: RunPlan,
  evidence: GateEvidence,
  log: StepLog,
): Promise<{ gates: readonly GateResult[]; refused: string | null }> {
  return await log.step('gates', async () => {
    const own = judgeGates(plan.published.definition.gates, evidence);
    const gates = allGates(own.results, plan.policy, evidence);
    const refused = gates.filter((gate) => gate.outcome === 'refused').map((gate) => gate.reason);
    const reason = refused.length === 0 ? null : refused.join('; ');
    return {
      value: { gates, refused: reason },
      detail: reason ?? `${gates.filter((gate) => gate.outcome === 'passed').length} passed, none refused`,
      refused: reason !== null,
    };
  });
}

/** Step `sign`; a refused candidate stays without a signature. */
export async function signUnlessRefused(
  input: RetrainInput,
  { unsigned, refused }: { unsigned: PackageRef; refused: string | null },
  log: StepLog,
): Promise<PackageRef> {
  if (refused !== null) return unsigned;
  return await log.step('sign', async () => {
    const value = await evaluation.signPackage({ ...contextOf(input), package: unsigned, name: `${input.model}-${input.run}` });
    return { value, detail: 'OpenSSF model signature, verified' };
  });
}

export function riskOf(
  { published, policy }: RunPlan,
  { evidence, architectureChanged }: { evidence: GateEvidence; architectureChanged: boolean },
): ReturnType<typeof assessRisk> {
  return assessRisk({ ...evidence, declared: published.definition.risk, policy, architectureChanged });
}

/** Step `register`: the candidate gets its version. */
export async function register(
  input: RetrainInput,
  candidate: Omit<Candidate, 'version'>,
  { log, made }: { log: StepLog; made: Made },
): Promise<Candidate> {
  const { evidence, gates, refused, risk } = candidate;
  const version = await log.step('register', async () => {
    const value = await registry.registerVersion({
      model: input.model,
      run: input.run,
      definitionDigest: input.definitionDigest,
      package: candidate.package,
      metrics: evidence.candidate,
      championMetrics: evidence.champion?.metrics ?? [],
      candidateMetrics: evidence.champion?.candidateMetrics ?? [],
      gates,
      risk: risk.risk,
      riskReason: risk.reason,
      refused,
      ...made,
    });
    return { value: value.version, detail: `${input.model} ${value.version}, risk ${risk.risk}: ${risk.reason}` };
  });
  log.version = version;
  return { ...candidate, version };
}

export function contextOf(input: RetrainInput): StepContext {
  return { model: input.model, run: input.run, useCache: input.useCache };
}
