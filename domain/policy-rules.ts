import { accuracyOf } from './accuracy.js';
import { PerennialError } from './errors.js';
import { formatNumber, formatPercent } from './format.js';
import { judgeGate } from './gate-judgement.js';
import type { GateEvidence, GateResult } from './gates.js';
import type { Policy } from './policy.js';

/** The policy of a new environment. Nobody is an approver until somebody is named. */
export const defaultPolicy: Policy = {
  version: 1,
  minAccuracy: 0.9,
  maxLatencyMs: 100,
  minRelativeImprovement: null,
  maxBias: 0.3,
  autoApproveLowRisk: true,
  approvers: [],
  highRiskRelativeDrop: 0.05,
};

/** Fields of a policy that a person may change; the version number is counted by the rule. */
export type PolicyChange = Partial<Omit<Policy, 'version'>>;

type Field = keyof Omit<Policy, 'version'>;

const fraction = (value: unknown) => (typeof value === 'number' && value >= 0 && value <= 1 ? null : 'a fraction from 0 to 1 (0.05 is 5%)');

/** What each field must be; null when the value is that. */
const expectations: Readonly<Record<Field, (value: unknown) => string | null>> = {
  minAccuracy: fraction,
  maxLatencyMs: (value) => (typeof value === 'number' && value > 0 && Number.isFinite(value) ? null : 'milliseconds above 0'),
  minRelativeImprovement: (value) =>
    value === null || (typeof value === 'number' && value > 0 && value < 1)
      ? null
      : 'a fraction above 0 and below 1, or null to switch it off',
  maxBias: fraction,
  autoApproveLowRisk: (value) => (typeof value === 'boolean' ? null : 'true or false'),
  approvers: (value) => (isNameList(value) ? null : 'names of people, each once, without spaces around'),
  highRiskRelativeDrop: (value) => (typeof value === 'number' && value > 0 && value <= 1 ? null : 'a fraction above 0 and at most 1'),
};

/**
 * The next version of a policy. Throws `DataInvalid` that names every wrong field with what was expected and found, an
 * unknown field, or a change that changes nothing.
 */
export function changePolicy(policy: Policy, change: PolicyChange): Policy {
  const entries: [string, unknown][] = Object.entries(change).filter(([, value]) => value !== undefined);
  const problems = entries.flatMap(([field, value]) => {
    if (!isField(field)) return [`${field}: there is no such field; the fields are ${Object.keys(expectations).join(', ')}`];
    const expected = expectations[field](value);
    return expected === null ? [] : [`${field}: expected ${expected}, found ${JSON.stringify(value) ?? String(value)}`];
  });
  if (problems.length > 0)
    throw new PerennialError('DataInvalid', `The policy stays at version ${policy.version}: ${problems.join('; ')}`, {
      details: { problems },
    });
  const next: Policy = { ...policy, ...change, version: policy.version + 1 };
  if (entries.every(([field, value]) => isField(field) && JSON.stringify(policy[field]) === JSON.stringify(value))) {
    throw new PerennialError(
      'DataInvalid',
      `The policy stays at version ${policy.version}: nothing would change. Name a field with a new value.`,
    );
  }
  return next;
}

/**
 * The policy's own checks of a candidate, as gate results beside those of the definition.
 *
 * Accuracy is a share of right answers. It does not apply to a model that is measured by its errors, which the gates of its
 * definition limit; 1 - WAPE stands for its accuracy only where it decides who must approve (risk.ts). Nor does it to an
 * imported one, of which nothing is measured before it is live. Latency is the P95 of a single row. Improvement, when switched on, asks for a WAPE lower than the champion's by that share on the same rows.
 */
export function policyGates(policy: Policy, evidence: GateEvidence): GateResult[] {
  const results = [accuracyNotice(policy, evidence), judgeGate({ kind: 'latency', maxP95Ms: policy.maxLatencyMs }, evidence)];
  if (policy.minRelativeImprovement === null) return results;
  const metric = evidence.candidate.find((one) => one.kind === 'wape')?.name ?? 'wape';
  return [
    ...results,
    judgeGate({ kind: 'notWorseThanChampion', metric, maxRelativeIncrease: -policy.minRelativeImprovement, minRows: 1 }, evidence),
  ];
}

/**
 * The definition's gates with the policy's. Both limit the latency: the stricter of the two is listed, which says all that the
 * other could.
 */
export function allGates(own: readonly GateResult[], policy: Policy, evidence: GateEvidence): GateResult[] {
  const all = [...own, ...policyGates(policy, evidence)];
  const strictest = Math.min(...all.map(latencyLimit));
  const listed = all.find((result) => latencyLimit(result) === strictest);
  return all.filter((result) => result.gate.kind !== 'latency' || result === listed);
}

const latencyLimit = ({ gate }: GateResult): number => (gate.kind === 'latency' ? gate.maxP95Ms : Infinity);

function accuracyNotice(policy: Policy, evidence: GateEvidence): GateResult {
  const found = accuracyOf(evidence.candidate);
  const figure = found === null ? '' : ` (1 - WAPE is ${formatPercent(found.accuracy)} over ${formatNumber(found.count)} rows)`;
  const why =
    evidence.candidate.length === 0
      ? 'there are no labelled rows here to measure it on'
      : `the model is measured by its errors, which the gates of its definition limit${figure}`;
  return {
    gate: { kind: 'minimum', metric: 'accuracy', limit: policy.minAccuracy, minRows: 1 },
    outcome: 'notApplicable',
    measured: found?.accuracy ?? null,
    limit: policy.minAccuracy,
    count: found?.count ?? 0,
    reason: `accuracy of at least ${formatPercent(policy.minAccuracy)} is not judged: ${why}`,
  };
}

function isField(name: string): name is Field {
  return Object.hasOwn(expectations, name);
}

function isNameList(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const names: unknown[] = value;
  if (!names.every((name) => typeof name === 'string' && name !== '' && name === name.trim())) return false;
  return new Set(names.map((name) => String(name).toLowerCase())).size === names.length;
}
