import type { Kysely } from 'kysely';
import type { Policy } from '../../domain/policy.js';
import { changePolicy, defaultPolicy, type PolicyChange } from '../../domain/policy-rules.js';
import { appendAudit } from './audit-log.js';
import { json } from './columns.js';
import { type Database, type DatabaseTransaction, inTransaction } from './database.js';
import { lockName } from './locks.js';

export type PolicyVersion = { readonly policy: Policy; readonly by: string; readonly reason: string; readonly atMs: number };

/** The policy in force. In an environment that has none yet, the default one becomes version 1. */
export async function currentPolicy(db: Kysely<Database>): Promise<Policy> {
  return (await newest(db)) ?? (await inTransaction(db, policyInForce));
}

/** The same, in the caller's transaction. */
export async function policyInForce(trx: DatabaseTransaction): Promise<Policy> {
  const found = await newest(trx);
  if (found !== null) return found;
  await lockName(trx, 'policy');
  const meanwhile = await newest(trx);
  if (meanwhile !== null) return meanwhile;
  const reason = 'the policy of a new environment';
  await writePolicy(trx, defaultPolicy, { by: 'perennial', reason });
  await appendAudit(trx, {
    model: null,
    action: 'policy.edit',
    by: 'perennial',
    identity: 'system',
    outcome: 'done',
    reason,
    details: { before: null, after: defaultPolicy },
  });
  return defaultPolicy;
}

/**
 * Makes the next version of the policy; the change is audited with what it was before. Throws `DataInvalid` (nothing is
 * written) on a field that does not exist, a wrong value, or a change that changes nothing.
 */
export async function editPolicy(
  db: Kysely<Database>,
  edit: { change: PolicyChange; by: string; reason: string; ticket?: string },
): Promise<Policy> {
  return await inTransaction(db, (trx) => editInForce(trx, () => edit.change, edit));
}

/** Puts a person on the list of approvers; somebody who is on it stays. */
export async function addApprover(
  trx: DatabaseTransaction,
  { name, by, reason }: { name: string; by: string; reason: string },
): Promise<Policy> {
  return await editInForce(trx, (policy) => (policy.approvers.includes(name) ? null : { approvers: [...policy.approvers, name] }), {
    by,
    reason,
  });
}

/** Every version of the policy, oldest first. */
export async function policyHistory(db: Kysely<Database>): Promise<PolicyVersion[]> {
  const rows = await db.selectFrom('policies').selectAll().orderBy('version').execute();
  return rows.map((row) => ({ policy: row.policy, by: row.changed_by, reason: row.reason, atMs: row.changed_at.getTime() }));
}

async function editInForce(
  trx: DatabaseTransaction,
  changeOf: (policy: Policy) => PolicyChange | null,
  { by, reason, ticket }: { by: string; reason: string; ticket?: string },
): Promise<Policy> {
  await policyInForce(trx);
  await lockName(trx, 'policy');
  const before = (await newest(trx))!;
  const change = changeOf(before);
  if (change === null) return before;
  const after = changePolicy(before, change);
  await writePolicy(trx, after, { by, reason });
  await appendAudit(trx, {
    model: null,
    action: 'policy.edit',
    by,
    outcome: 'done',
    reason,
    ...(ticket === undefined ? {} : { ticket }),
    details: { before, after },
  });
  return after;
}

async function newest(db: Kysely<Database>): Promise<Policy | null> {
  const row = await db.selectFrom('policies').select('policy').orderBy('version', 'desc').limit(1).executeTakeFirst();
  return row?.policy ?? null;
}

async function writePolicy(trx: DatabaseTransaction, policy: Policy, { by, reason }: { by: string; reason: string }): Promise<void> {
  await trx
    .insertInto('policies')
    .values({ version: policy.version, policy: json(policy), changed_by: by, reason })
    .execute();
}
