import { accuracyOf } from './accuracy.js';
import { formatLatency, formatPercent } from './format.js';
import type { GateEvidence } from './gates.js';
import type { Risk } from './model-definition.js';
import type { Policy } from './policy.js';

export type RiskEvidence = GateEvidence & {
  /** Risk that the definition states; a candidate is never below it. */
  readonly declared: Risk;
  readonly policy: Policy;
  /** Another task or trainer than the champion's (`architectureChanged` in versioning.ts). */
  readonly architectureChanged: boolean;
};

/**
 * Risk of one candidate, which decides who must approve and how it is rolled out.
 * High: a new architecture, or accuracy below the champion's by more than the policy's `highRiskRelativeDrop` on the
 * same rows. Low: accuracy, latency and (when switched on) improvement inside the policy. Limited: everything between,
 * and whenever a figure is missing. Never lower than the definition states. The reason tells every figure that raised it.
 */
export function assessRisk(evidence: RiskEvidence): { readonly risk: Risk; readonly reason: string } {
  const { declared, policy } = evidence;
  const drop = accuracyDrop(evidence);
  const high = [
    ...(evidence.architectureChanged ? ["its architecture is another than the champion's"] : []),
    ...(drop.kind === 'measured' && drop.relative > policy.highRiskRelativeDrop
      ? [
          `accuracy fell by ${formatPercent(drop.relative)} (relative) below champion ${drop.version}, more than ${formatPercent(policy.highRiskRelativeDrop)}`,
        ]
      : []),
  ];
  const limited = outsidePolicy(evidence, drop);
  if (high.length > 0) return { risk: 'high', reason: high.join('; ') };
  if (declared === 'high') return { risk: 'high', reason: 'the definition says so' };
  if (limited.length > 0)
    return { risk: 'limited', reason: `${limited.join('; ')}${declared === 'limited' ? '; the definition says limited' : ''}` };
  if (declared === 'limited') return { risk: 'limited', reason: 'the definition says so; the figures are inside the policy' };
  return { risk: 'low', reason: `${insideText(evidence)} are inside policy version ${policy.version}` };
}

type Drop =
  | { readonly kind: 'noChampion' }
  | { readonly kind: 'unknown'; readonly version: string }
  /** Positive when the candidate is worse. */
  | { readonly kind: 'measured'; readonly version: string; readonly relative: number };

function accuracyDrop({ champion }: GateEvidence): Drop {
  if (champion === null) return { kind: 'noChampion' };
  const theirs = accuracyOf(champion.metrics);
  const ours = accuracyOf(champion.candidateMetrics);
  if (theirs === null || ours === null || theirs.count !== ours.count) return { kind: 'unknown', version: champion.version };
  // A champion without any accuracy cannot be undercut.
  const relative = theirs.accuracy === 0 ? 0 : (theirs.accuracy - ours.accuracy) / theirs.accuracy;
  return { kind: 'measured', version: champion.version, relative };
}

function outsidePolicy({ candidate, latencyP95Ms, policy }: RiskEvidence, drop: Drop): string[] {
  const reasons: string[] = [];
  const accuracy = accuracyOf(candidate);
  if (accuracy === null) reasons.push('its accuracy was not measured');
  else if (!(accuracy.accuracy > policy.minAccuracy))
    reasons.push(`accuracy (1 - WAPE) ${formatPercent(accuracy.accuracy)} is not above ${formatPercent(policy.minAccuracy)}`);
  if (latencyP95Ms === null || !Number.isFinite(latencyP95Ms)) reasons.push('its latency was not measured');
  else if (!(latencyP95Ms < policy.maxLatencyMs))
    reasons.push(`P95 latency ${formatLatency(latencyP95Ms)} is not below ${formatLatency(policy.maxLatencyMs)}`);
  if (drop.kind === 'unknown') reasons.push(`it was not measured against champion ${drop.version} on the same rows`);
  const wanted = policy.minRelativeImprovement;
  if (wanted !== null && drop.kind === 'measured' && !(-drop.relative > wanted)) {
    reasons.push(`accuracy is not better than champion ${drop.version} by more than ${formatPercent(wanted)} (relative)`);
  }
  return reasons;
}

function insideText({ candidate, latencyP95Ms }: RiskEvidence): string {
  return `accuracy (1 - WAPE) ${formatPercent(accuracyOf(candidate)?.accuracy ?? null)} and P95 latency ${formatLatency(latencyP95Ms)}`;
}
