import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Identity } from '../../domain/approval.js';
import { canonicalJson } from '../../domain/json.js';
import { json } from './columns.js';
import type { DatabaseTransaction } from './database.js';
import { storable, storableText } from './storable.js';

export type AuditEntry = {
  /** Null for what concerns no single model (policy, people). */
  readonly model: string | null;
  /** What was done or tried: `promote`, `rollback`, `approval.decide`, `policy.edit`. */
  readonly action: string;
  readonly by: string;
  /** How sure we are of `by`: `system` for the platform itself. Default `claimed`. */
  readonly identity?: Identity | 'system';
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly reason: string;
  readonly ticket?: string;
  /** What it was before and after, evidence, digests. Plain JSON. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Domain key of the act: a second entry with the same key is not written. */
  readonly key?: string;
};

/** An entry as it is hashed: exactly the columns of its row, without the hash. */
export type AuditRecord = {
  readonly sequence: number;
  readonly at: string;
  readonly model: string | null;
  readonly action: string;
  readonly by: string;
  readonly identity: Identity | 'system';
  readonly outcome: AuditEntry['outcome'];
  readonly reason: string;
  readonly ticket: string | null;
  readonly details: unknown;
  readonly key: string | null;
  readonly previousHash: string;
};

/** Hexadecimal SHA-256 over the canonical JSON of a record; it holds the hash before it, so rows form a chain. */
export const auditHash = (record: AuditRecord): string => createHash('sha256').update(canonicalJson(record), 'utf8').digest('hex');

/**
 * Writes one row of the audit in the caller's transaction; answers its sequence number, or that of the row that already
 * has this `key`. Call it last in the transaction: it holds the audit's only lock until the commit, and whoever waits
 * for a row while holding it makes everybody wait.
 */
export async function appendAudit(trx: DatabaseTransaction, entry: AuditEntry): Promise<{ sequence: number; written: boolean }> {
  const head = await trx
    .selectFrom('audit_head')
    .select(['sequence', 'hash', sql<Date>`date_trunc('milliseconds', clock_timestamp())`.as('now')])
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (entry.key !== undefined) {
    const earlier = await trx.selectFrom('audit').select('sequence').where('key', '=', storableText(entry.key)).executeTakeFirst();
    if (earlier !== undefined) return { sequence: earlier.sequence, written: false };
  }
  const record: AuditRecord = {
    sequence: head.sequence + 1,
    at: head.now.toISOString(),
    model: entry.model === null ? null : storableText(entry.model),
    action: storableText(entry.action),
    by: storableText(entry.by),
    identity: entry.identity ?? 'claimed',
    outcome: entry.outcome,
    reason: storableText(entry.reason),
    ticket: entry.ticket === undefined ? null : storableText(entry.ticket),
    details: storable(entry.details ?? {}),
    key: entry.key === undefined ? null : storableText(entry.key),
    previousHash: head.hash,
  };
  const hash = auditHash(record);
  const { by, previousHash, details, at, ...columns } = record;
  await trx
    .insertInto('audit')
    .values({ ...columns, at: new Date(at), actor: by, details: json(details), previous_hash: previousHash, hash })
    .execute();
  await trx.updateTable('audit_head').set({ sequence: record.sequence, hash }).execute();
  return { sequence: record.sequence, written: true };
}
