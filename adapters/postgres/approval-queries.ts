import type { Kysely, Selectable } from 'kysely';
import type { ApprovalRequest } from '../../domain/approval.js';
import type { Database } from './database.js';
import type { ApprovalDecisionTable, ApprovalEvidence, ApprovalTable } from './schema.js';

/** The request of a version with its decisions, or null when none was made. */
export async function approvalOf(
  db: Kysely<Database>,
  model: string,
  version: string,
): Promise<{ request: ApprovalRequest; settledReason: string | null; evidence: ApprovalEvidence } | null> {
  const row = await db.selectFrom('approvals').selectAll().where('model', '=', model).where('version', '=', version).executeTakeFirst();
  if (row === undefined) return null;
  return { request: toRequest(row, await decisionsOf(db, model, version)), settledReason: row.settled_reason, evidence: row.evidence };
}

/** A row of `approvals` with its decisions, as the rules see it. */
export function toRequest(row: Selectable<ApprovalTable>, decisions: ApprovalRequest['decisions']): ApprovalRequest {
  return {
    model: row.model,
    version: row.version,
    risk: row.risk,
    riskReason: row.risk_reason,
    requestedBy: row.requested_by,
    approvers: row.approvers,
    evidenceDigest: row.evidence_digest,
    status: row.status,
    decisions,
    expiresAtMs: row.expires_at.getTime(),
  };
}

/** The versions of a model that wait for a decision, the one that waits for longest first. */
export async function pendingVersions(db: Kysely<Database>, model: string): Promise<string[]> {
  const rows = await db
    .selectFrom('approvals')
    .select('version')
    .where('model', '=', model)
    .where('status', '=', 'pending')
    .orderBy('requested_at')
    .execute();
  return rows.map(({ version }) => version);
}

/** Decisions that counted, oldest first. */
export async function decisionsOf(db: Kysely<Database>, model: string, version: string): Promise<ApprovalRequest['decisions']> {
  const rows = await db
    .selectFrom('approval_decisions')
    .selectAll()
    .where('model', '=', model)
    .where('version', '=', version)
    .orderBy('id')
    .execute();
  return rows.map(toDecision);
}

function toDecision(row: Selectable<ApprovalDecisionTable>): ApprovalRequest['decisions'][number] {
  return {
    version: row.version,
    decision: row.decision,
    by: row.decided_by,
    reason: row.reason,
    identity: row.identity,
    atMs: row.decided_at.getTime(),
    ...(row.ticket === null ? {} : { ticket: row.ticket }),
    ...(row.evidence_digest === null ? {} : { evidenceDigest: row.evidence_digest }),
    ...(row.key_id === null ? {} : { keyId: row.key_id }),
    ...(row.signature === null ? {} : { signature: row.signature }),
  };
}
