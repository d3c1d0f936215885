import { type Kysely, sql } from 'kysely';
import type { ApprovalDraft, ApprovalStore, JudgedDecision } from '../../activities/registry-ports.js';
import type { DecideAnswer } from '../../contracts/lifecycle.js';
import type { ApprovalRequest, Decision, Identity } from '../../domain/approval.js';
import { PerennialError } from '../../domain/errors.js';
import { approvalOf, decisionsOf, pendingVersions, toRequest } from './approval-queries.js';
import { appendAudit } from './audit-log.js';
import { json } from './columns.js';
import { type Database, type DatabaseTransaction, inTransaction } from './database.js';
import { enqueueNotice } from './outbox.js';
import { policyInForce } from './policies.js';
import { keysOf } from './people.js';
import { storableText } from './storable.js';

/** Requests for approval and decisions, each under its row's lock. */
export function createApprovalStore(db: Kysely<Database>): ApprovalStore {
  return {
    request: (input, draft) => inTransaction(db, (trx) => request(trx, input, draft)),
    decide: (input, judge) => inTransaction(db, (trx) => decide(trx, input, judge)),
    settle: (input) => inTransaction(db, (trx) => settle(trx, input)),
  };
}

async function request(
  trx: DatabaseTransaction,
  { model, version }: { model: string; version: string },
  draft: Parameters<ApprovalStore['request']>[1],
): ReturnType<ApprovalStore['request']> {
  const subject = await trx
    .selectFrom('versions')
    .select(['package_digest', 'approval_status', 'refused'])
    .where('model', '=', model)
    .where('version', '=', version)
    .forUpdate()
    .executeTakeFirst();
  if (subject === undefined)
    throw new PerennialError('Conflict', `Approval was asked for ${model} ${version}, which is not registered.`, {
      details: { model, version },
    });
  const earlier = await approvalOf(trx, model, version);
  if (earlier !== null) return earlier;
  const policy = await policyInForce(trx);
  const nowMs = await wallNow(trx);
  const drafted = draft({
    policy,
    nowMs,
    packageDigest: subject.package_digest,
    approvalStatus: subject.approval_status,
    refused: subject.refused,
  });
  await insertRequest(trx, drafted);
  if (drafted.automatic !== null) await approveByPolicy(trx, drafted, { reason: drafted.automatic.reason, nowMs });
  if (drafted.notice !== null) await enqueueNotice(trx, drafted.notice);
  const { request: asked, automatic } = drafted;
  await appendAudit(trx, {
    model,
    action: 'approval.request',
    by: asked.requestedBy,
    outcome: 'done',
    reason: automatic?.reason ?? `risk ${asked.risk}: ${asked.riskReason}`,
    identity: automatic === null ? 'claimed' : 'automatic',
    details: {
      version,
      run: drafted.run,
      evidenceDigest: asked.evidenceDigest,
      approvers: asked.approvers,
      policyVersion: drafted.policyVersion,
      status: automatic === null ? 'pending' : 'approved',
    },
    key: `approval.request:${model}:${version}`,
  });
  return (await approvalOf(trx, model, version))!;
}

async function insertRequest(trx: DatabaseTransaction, { request: asked, ...draft }: ApprovalDraft): Promise<void> {
  await trx
    .insertInto('approvals')
    .values({
      model: asked.model,
      version: asked.version,
      run: draft.run,
      risk: asked.risk,
      risk_reason: storableText(asked.riskReason),
      requested_by: asked.requestedBy,
      approvers: json(asked.approvers),
      evidence: json(draft.evidence),
      evidence_digest: asked.evidenceDigest,
      policy_version: draft.policyVersion,
      status: 'pending',
      expires_at: new Date(asked.expiresAtMs),
    })
    .execute();
}

async function approveByPolicy(
  trx: DatabaseTransaction,
  { request: asked }: ApprovalDraft,
  { reason, nowMs }: { reason: string; nowMs: number },
): Promise<void> {
  const { model, version, evidenceDigest } = asked;
  await insertDecision(trx, model, {
    decision: { version, decision: 'approve', by: 'policy', reason, evidenceDigest },
    identity: 'automatic',
    keyId: null,
    nowMs,
  });
  await writeSettlement(trx, { model, version, status: 'approved', reason });
}

async function decide(
  trx: DatabaseTransaction,
  { model, decision, requestKey }: Parameters<ApprovalStore['decide']>[0],
  judge: Parameters<ApprovalStore['decide']>[1],
): Promise<DecideAnswer> {
  const key = requestKey === null ? undefined : `decide:${requestKey}`;
  const row = await trx
    .selectFrom('approvals')
    .selectAll()
    .where('model', '=', model)
    .where('version', '=', decision.version)
    .forUpdate()
    .executeTakeFirst();
  if (key !== undefined) {
    const earlier = await trx.selectFrom('audit').select('details').where('key', '=', key).executeTakeFirst();
    if (earlier !== undefined) return (earlier.details as { answer: DecideAnswer }).answer;
  }
  const nowMs = await wallNow(trx);
  const judged: JudgedDecision =
    row === undefined
      ? { effect: { kind: 'refused', reason: await noSuchRequest(trx, model, decision.version) }, identity: 'claimed', keyId: null }
      : judge({ request: toRequest(row, await decisionsOf(trx, model, row.version)), keys: await keysOf(trx, decision.by), nowMs });
  const answer = await writeDecision(trx, { model, decision, judged, nowMs });
  await appendAudit(trx, {
    model,
    action: `approval.${decision.decision}`,
    by: decision.by,
    identity: judged.identity,
    outcome: answer.kind === 'refused' ? 'refused' : 'done',
    reason: answer.kind === 'refused' ? answer.reason : decision.reason,
    ...(decision.ticket === undefined ? {} : { ticket: decision.ticket }),
    details: { version: decision.version, decision, evidenceDigest: row?.evidence_digest ?? null, before: row?.status ?? null, answer },
    ...(key === undefined ? {} : { key }),
  });
  return answer;
}

async function writeDecision(
  trx: DatabaseTransaction,
  { model, decision, judged, nowMs }: { model: string; decision: Decision; judged: JudgedDecision; nowMs: number },
): Promise<DecideAnswer> {
  const { effect } = judged;
  const identity = judged.identity === 'signed' ? 'signed' : 'claimed';
  const { version } = decision;
  if (effect.kind === 'refused') return effect;
  await insertDecision(trx, model, { decision, identity, keyId: judged.keyId, nowMs });
  if (effect.kind === 'counted') return { kind: 'counted', version, missing: effect.missing, identity };
  await writeSettlement(trx, { model, version, status: effect.status, reason: effect.reason });
  return { kind: 'settled', version, status: effect.status, identity };
}

async function settle(
  trx: DatabaseTransaction,
  { model, version, status, reason }: Parameters<ApprovalStore['settle']>[0],
): Promise<ApprovalRequest['status']> {
  const row = await trx
    .selectFrom('approvals')
    .select('status')
    .where('model', '=', model)
    .where('version', '=', version)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined)
    throw new PerennialError('Conflict', `No approval was asked for ${model} ${version}, so none can be ${status}.`, {
      details: { model, version },
    });
  if (row.status !== 'pending') return row.status;
  await writeSettlement(trx, { model, version, status, reason });
  await appendAudit(trx, {
    model,
    action: `approval.${status}`,
    by: 'perennial',
    identity: 'system',
    outcome: 'done',
    reason,
    details: { version, before: 'pending', after: status },
    key: `approval.${status}:${model}:${version}`,
  });
  return status;
}

/** The request's end, and the version's approval status with it: what is not approved is rejected. */
async function writeSettlement(
  trx: DatabaseTransaction,
  {
    model,
    version,
    status,
    reason,
  }: { model: string; version: string; status: Exclude<ApprovalRequest['status'], 'pending'>; reason: string },
): Promise<void> {
  await trx
    .updateTable('approvals')
    .set({ status, settled_reason: storableText(reason), settled_at: sql<Date>`clock_timestamp()` })
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();
  await trx
    .updateTable('versions')
    .set({ approval_status: status === 'approved' ? 'approved' : 'rejected' })
    .where('model', '=', model)
    .where('version', '=', version)
    .execute();
}

async function insertDecision(
  trx: DatabaseTransaction,
  model: string,
  { decision, identity, keyId, nowMs }: { decision: Decision; identity: Identity; keyId: string | null; nowMs: number },
): Promise<void> {
  const { version, by, decision: word, reason, ticket, evidenceDigest, signature } = decision;
  // Only what was verified is kept as a signature.
  const signed = identity === 'signed' ? { key_id: keyId, signature: signature ?? null } : {};
  await trx
    .insertInto('approval_decisions')
    .values({
      model,
      version,
      decided_by: by,
      decision: word,
      reason: storableText(reason),
      ticket: ticket ?? null,
      evidence_digest: evidenceDigest ?? null,
      ...signed,
      identity,
      decided_at: new Date(nowMs),
    })
    .execute();
}

async function noSuchRequest(trx: DatabaseTransaction, model: string, version: string): Promise<string> {
  const pending = await pendingVersions(trx, model);
  const waiting =
    pending.length === 0 ? `nothing of ${model} waits for one` : `${pending.join(', ')} ${pending.length === 1 ? 'waits' : 'wait'} for one`;
  return `no approval was asked for ${model} ${version}; ${waiting}`;
}

async function wallNow(trx: DatabaseTransaction): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(trx);
  return rows[0]!.now.getTime();
}
