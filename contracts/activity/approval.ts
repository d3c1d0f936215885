import type { ApprovalRequest, Decision } from '../../domain/approval.js';
import type { GateResult } from '../../domain/gates.js';
import type { MetricValue } from '../../domain/metrics.js';
import type { Risk } from '../../domain/model-definition.js';
import type { RolloutPlan } from '../../domain/rollout-plan.js';
import type { DecideAnswer } from '../lifecycle.js';

export type ApprovalActivities = {
  /** Row, outbox message and audit in one transaction; idempotent by version. Answers `approved` at once when policy approves by itself. */
  requestApproval(input: {
    model: string;
    version: string;
    run: string;
    risk: Risk;
    riskReason: string;
    requestedBy: string;
    plan: RolloutPlan;
    gates: readonly GateResult[];
    metrics: readonly MetricValue[];
    championMetrics: readonly MetricValue[];
    /** On the champion's rows; absent in requests of earlier releases. */
    candidateMetrics?: readonly MetricValue[];
    expiresAfterMs: number;
    firstVersion: boolean;
  }): Promise<{ request: ApprovalRequest; settled: 'approved' | null; reason: string }>;
  /** Applies `domain/approval-rules.ts` under a row lock; refusals are audited too. `notApplicable` never throws. */
  decide(input: { model: string; decision: Decision }): Promise<DecideAnswer>;
  /** Closes a pending request; one that was settled meanwhile keeps its status, which is answered. */
  settleApproval(input: {
    model: string;
    version: string;
    status: 'expired' | 'superseded';
    reason: string;
  }): Promise<{ status: ApprovalRequest['status'] }>;
};
