import { type Kysely, type Selectable, sql } from 'kysely';
import { auditHash, type AuditRecord } from './audit-log.js';
import type { Database } from './database.js';
import type { AuditTable } from './schema.js';

export type AuditRow = AuditRecord & { readonly hash: string };

export type AuditFilter = {
  readonly model?: string;
  readonly action?: string;
  readonly by?: string;
  readonly outcome?: 'done' | 'refused' | 'failed';
  readonly ticket?: string;
  /** Entries about this version. */
  readonly version?: string;
  /** Wall time, half-open. */
  readonly fromMs?: number;
  readonly toMs?: number;
  /** Entries before this sequence number, for the next page. */
  readonly before?: number;
  readonly limit?: number;
};

/** Entries of the audit, newest first; 100 unless `limit` says otherwise. */
export async function auditTrail(db: Kysely<Database>, filter: AuditFilter = {}): Promise<AuditRow[]> {
  let query = db.selectFrom('audit').selectAll();
  if (filter.model !== undefined) query = query.where('model', '=', filter.model);
  if (filter.action !== undefined) query = query.where('action', '=', filter.action);
  if (filter.by !== undefined) query = query.where('actor', '=', filter.by);
  if (filter.outcome !== undefined) query = query.where('outcome', '=', filter.outcome);
  if (filter.ticket !== undefined) query = query.where('ticket', '=', filter.ticket);
  if (filter.version !== undefined) query = query.where(sql<string>`details ->> 'version'`, '=', filter.version);
  if (filter.fromMs !== undefined) query = query.where('at', '>=', new Date(filter.fromMs));
  if (filter.toMs !== undefined) query = query.where('at', '<', new Date(filter.toMs));
  if (filter.before !== undefined) query = query.where('sequence', '<', filter.before);
  const rows = await query
    .orderBy('sequence', 'desc')
    .limit(filter.limit ?? 100)
    .execute();
  return rows.map(toRow);
}

export type AuditVerdict =
  | { readonly kind: 'whole'; readonly rows: number; readonly head: string }
  /** `sequence` is that of the first row that does not hold. */
  | { readonly kind: 'broken'; readonly sequence: number; readonly reason: string };

/**
 * Checks the whole chain: that no number is missing, that each row holds the hash of the one before it, that its own
 * hash is that of its columns, and that the last one is the head. Whoever can write the tables and compute every hash
 * again can forge a chain: note the head somewhere else from time to time.
 */
export async function verifyAudit(db: Kysely<Database>): Promise<AuditVerdict> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const head = await trx.selectFrom('audit_head').select(['sequence', 'hash']).executeTakeFirst();
      if (head === undefined) return { kind: 'broken', sequence: 0, reason: 'the head of the audit was removed' };
      let last = { sequence: 0, hash: '0'.repeat(64) };
      for (;;) {
        const rows = await trx
          .selectFrom('audit')
          .selectAll()
          .where('sequence', '>', last.sequence)
          .orderBy('sequence')
          .limit(1_000)
          .execute();
        for (const row of rows.map(toRow)) {
          const reason = fault(row, last);
          if (reason !== null) return { kind: 'broken', sequence: last.sequence + 1, reason };
          last = row;
        }
        if (rows.length < 1_000) break;
      }
      if (last.sequence !== head.sequence)
        return {
          kind: 'broken',
          sequence: last.sequence + 1,
          reason: `the head says that there are ${head.sequence} rows, and the last one is ${last.sequence}: rows were removed`,
        };
      if (last.hash !== head.hash) return { kind: 'broken', sequence: last.sequence, reason: 'its hash is not that of the head' };
      return { kind: 'whole', rows: last.sequence, head: last.hash };
    });
}

function fault(row: AuditRow, last: { sequence: number; hash: string }): string | null {
  if (row.sequence !== last.sequence + 1) return `it is missing; the next one is ${row.sequence}`;
  if (row.previousHash !== last.hash) return `it does not follow ${last.sequence}: another row was there when it was written`;
  const { hash, ...record } = row;
  return auditHash(record) === hash ? null : 'its columns are not what was hashed: it was changed after it was written';
}

function toRow(row: Selectable<AuditTable>): AuditRow {
  return {
    sequence: row.sequence,
    at: row.at.toISOString(),
    model: row.model,
    action: row.action,
    by: row.actor,
    identity: row.identity,
    outcome: row.outcome,
    reason: row.reason,
    ticket: row.ticket,
    details: row.details,
    key: row.key,
    previousHash: row.previous_hash,
    hash: row.hash,
  };
}
