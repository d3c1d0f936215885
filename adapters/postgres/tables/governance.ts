import type { Generated } from 'kysely';
import type { Notice } from '../../../activities/ports.js';
import type { ApprovalRequest, Decision, Identity } from '../../../domain/approval.js';
import type { GateResult } from '../../../domain/gates.js';
import type { MetricValue } from '../../../domain/metrics.js';
import type { Risk } from '../../../domain/model-definition.js';
import type { Policy } from '../../../domain/policy.js';
import type { RolloutPlan } from '../../../domain/rollout-plan.js';
import type { JsonColumn, Nullable, NullableTimeColumn, RequiredTimeColumn, TimeColumn } from '../columns.js';

/** What a person is shown when asked. */
export type ApprovalEvidence = {
  readonly model: string;
  readonly version: string;
  readonly run: string;
  readonly packageDigest: string;
  readonly risk: Risk;
  readonly riskReason: string;
  readonly plan: RolloutPlan;
  readonly gates: readonly GateResult[];
  readonly metrics: readonly MetricValue[];
  readonly championMetrics: readonly MetricValue[];
  readonly candidateMetrics?: readonly MetricValue[];
};

export interface ApprovalTable {
  model: string;
  version: string;
  run: string;
  risk: Risk;
  risk_reason: string;
  requested_by: string;
  approvers: JsonColumn<readonly string[]>;
  evidence: JsonColumn<ApprovalEvidence>;
  evidence_digest: string;
  policy_version: number;
  status: ApprovalRequest['status'];
  settled_reason: Nullable<string>;
  expires_at: RequiredTimeColumn;
  requested_at: TimeColumn;
  settled_at: NullableTimeColumn;
}

/** A decision that counted. Refused ones are in the audit only. */
export interface ApprovalDecisionTable {
  id: Generated<number>;
  model: string;
  version: string;
  decided_by: string;
  decision: Decision['decision'];
  reason: string;
  ticket: Nullable<string>;
  evidence_digest: Nullable<string>;
  key_id: Nullable<string>;
  signature: Nullable<string>;
  identity: Identity;
  decided_at: RequiredTimeColumn;
}

export interface PolicyTable {
  version: number;
  policy: JsonColumn<Policy>;
  changed_by: string;
  reason: string;
  changed_at: TimeColumn;
}

/** A person's public key. A person may have several; a revoked one counts no more. */
export interface PersonTable {
  key_id: string;
  name: string;
  public_key: string;
  registered_by: string;
  registered_at: TimeColumn;
  revoked_at: NullableTimeColumn;
}

/** Append-only, each row chained to the one before it by SHA-256. Written by `appendAudit` alone. */
export interface AuditTable {
  sequence: number;
  at: RequiredTimeColumn;
  model: Nullable<string>;
  action: string;
  actor: string;
  identity: Identity | 'system';
  outcome: 'done' | 'refused' | 'failed';
  reason: string;
  ticket: Nullable<string>;
  details: JsonColumn<unknown>;
  key: Nullable<string>;
  previous_hash: string;
  hash: string;
}

/** The newest row of the audit: one row, whose lock puts writers in a line. */
export interface AuditHeadTable {
  single: Generated<boolean>;
  sequence: number;
  hash: string;
}

export interface OutboxTable {
  key: string;
  model: string;
  notice: JsonColumn<Notice>;
  attempts: Generated<number>;
  last_error: Nullable<string>;
  next_try_at: TimeColumn;
  created_at: TimeColumn;
  delivered_at: NullableTimeColumn;
}

export interface LifecycleTable {
  model: string;
  paused_by: Nullable<string>;
  paused_reason: Nullable<string>;
  paused_at: NullableTimeColumn;
}
