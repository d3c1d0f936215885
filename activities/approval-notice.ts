import type { ApprovalActivities } from '../contracts/activities.js';
import { formatDuration, formatMetric, formatMetricFigure, formatPercent, formatRows, formatTime } from '../domain/format.js';
import type { MetricValue } from '../domain/metrics.js';
import type { RolloutPlan, RolloutStep } from '../domain/rollout-plan.js';
import type { Notice } from './ports.js';

type Asked = Parameters<ApprovalActivities['requestApproval']>[0];

/** The message that asks people to decide: what changed, what was measured, how it would roll out, and how to answer. */
export function approvalNotice(
  asked: Asked,
  { approvers, expiresAtMs, evidenceDigest }: { approvers: readonly string[]; expiresAtMs: number; evidenceDigest: string },
): Notice {
  const { model, version, run, risk, riskReason } = asked;
  const who =
    approvers.length === 0
      ? 'no approver is named in the policy: ./perennial policy'
      : risk === 'high'
        ? `all of ${approvers.join(', ')}, signed`
        : `one of ${approvers.join(', ')}`;
  const lines = [
    `Run ${run}, asked by ${asked.requestedBy}. Risk ${risk}: ${riskReason}.`,
    asked.metrics.length === 0
      ? 'Nothing was measured on rows with labels: its first runs and live traffic must tell.'
      : 'Measured on rows that it was not trained on:',
    ...asked.metrics.map((metric) => `  ${formatMetric(metric)}${againstChampion(asked, metric.name)}`),
    'Gates:',
    ...asked.gates.map((gate) => `  ${gate.outcome}: ${gate.reason}`),
    `Rollout plan ${asked.plan.name}: ${describePlan(asked.plan)}`,
    `Decides: ${who}. Until ${formatTime(expiresAtMs)}. Evidence ${evidenceDigest}.`,
    `Approve: ./perennial approve ${model} ${version}`,
    `Reject:  ./perennial reject ${model} ${version} --reason "…"`,
    `Or: temporal workflow signal --workflow-id model:${model} --name approve --input '${JSON.stringify({ version, by: approvers[0] ?? 'you', reason: '…' })}'`,
  ];
  return {
    key: `approvalRequested:${model}:${version}`,
    kind: 'approvalRequested',
    model,
    title: `${model} ${version} waits for approval`,
    text: lines.join('\n'),
  };
}

/** Both on the same rows, which may be fewer than those of the figure before it. */
function againstChampion({ championMetrics, candidateMetrics = [] }: Asked, name: string): string {
  const champion = championMetrics.find((metric) => metric.name === name);
  if (champion === undefined) return '';
  const ours = candidateMetrics.find((metric) => metric.name === name);
  const figure = ({ kind, value }: MetricValue) => formatMetricFigure(kind, value);
  return `; on the champion's ${formatRows(champion)}: ${ours === undefined ? '' : `${figure(ours)}, `}the champion ${figure(champion)}`;
}

/** A plan in one line: `shadow 24 h → 5% 1 h → promote`. */
export function describePlan(plan: RolloutPlan): string {
  return plan.steps.map(describeStep).join(' → ');
}

function describeStep(step: RolloutStep): string {
  switch (step.kind) {
    case 'smoke':
      return 'smoke test';
    case 'shadow':
      return `shadow ${formatDuration(step.intervalMs)}`;
    case 'canary':
      return `${formatPercent(step.share)} for ${formatDuration(step.intervalMs)}`;
    case 'promote':
      return 'all traffic';
  }
}
