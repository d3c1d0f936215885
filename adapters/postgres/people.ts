import { createPublicKey } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { PerennialError } from '../../domain/errors.js';
import { personKeyId } from '../keys/person-key.js';
import { appendAudit } from './audit-log.js';
import { type Database, inTransaction } from './database.js';
import { addApprover } from './policies.js';

export type Person = {
  readonly name: string;
  readonly keyId: string;
  readonly registeredBy: string;
  readonly registeredAtMs: number;
  readonly revokedAtMs: number | null;
};

export type Registration = {
  readonly name: string;
  /** Ed25519 public key, PEM. */
  readonly publicKey: string;
  readonly by: string;
  readonly reason: string;
  /** Also put the person on the policy's list of approvers. */
  readonly approver?: boolean;
};

/**
 * Registers a person's public key; the same key of the same person again changes nothing. A person may have several
 * keys. `Conflict` when the key is somebody else's or was revoked, `DataInvalid` when it is no Ed25519 public key.
 */
export async function registerPerson(
  db: Kysely<Database>,
  { name, publicKey, by, reason, approver }: Registration,
): Promise<{ keyId: string; registered: boolean }> {
  requireEd25519(name, publicKey);
  const keyId = personKeyId(publicKey);
  return await inTransaction(db, async (trx) => {
    const inserted = await trx
      .insertInto('people')
      .values({ key_id: keyId, name, public_key: publicKey, registered_by: by })
      .onConflict((conflict) => conflict.column('key_id').doNothing())
      .returning('key_id')
      .executeTakeFirst();
    if (inserted === undefined) {
      const known = await trx.selectFrom('people').select(['name', 'revoked_at']).where('key_id', '=', keyId).executeTakeFirstOrThrow();
      if (known.name !== name)
        throw new PerennialError(
          'Conflict',
          `Key ${keyId} is registered as ${known.name}'s, not ${name}'s. Make a key of one's own for each person.`,
          { details: { keyId, name: known.name } },
        );
      if (known.revoked_at !== null)
        throw new PerennialError('Conflict', `Key ${keyId} of ${name} was revoked. Make a new one: remove the key file and start again.`, {
          details: { keyId, name },
        });
    }
    // The audit's lock comes last: the policy's is taken before it everywhere.
    if (approver === true) await addApprover(trx, { name, by, reason });
    if (inserted !== undefined) {
      await appendAudit(trx, { model: null, action: 'person.register', by, outcome: 'done', reason, details: { name, keyId } });
    }
    return { keyId, registered: inserted !== undefined };
  });
}

/** A revoked key signs no more decisions; earlier ones stay. `Conflict` when it is not registered. */
export async function revokeKey(db: Kysely<Database>, { keyId, by, reason }: { keyId: string; by: string; reason: string }): Promise<void> {
  await inTransaction(db, async (trx) => {
    const row = await trx.selectFrom('people').select(['name', 'revoked_at']).where('key_id', '=', keyId).forUpdate().executeTakeFirst();
    if (row === undefined) throw new PerennialError('Conflict', `Key ${keyId} is not registered.`, { details: { keyId } });
    if (row.revoked_at !== null) return;
    await trx
      .updateTable('people')
      .set({ revoked_at: sql<Date>`clock_timestamp()` })
      .where('key_id', '=', keyId)
      .execute();
    await appendAudit(trx, { model: null, action: 'person.revokeKey', by, outcome: 'done', reason, details: { name: row.name, keyId } });
  });
}

/** Keys of a person that count. */
export async function keysOf(db: Kysely<Database>, name: string): Promise<{ keyId: string; publicKey: string }[]> {
  const rows = await db
    .selectFrom('people')
    .select(['key_id', 'public_key'])
    .where('name', '=', name)
    .where('revoked_at', 'is', null)
    .orderBy('registered_at')
    .execute();
  return rows.map((row) => ({ keyId: row.key_id, publicKey: row.public_key }));
}

/** Everybody with a key, revoked ones too, by name. */
export async function listPeople(db: Kysely<Database>): Promise<Person[]> {
  const rows = await db.selectFrom('people').selectAll().orderBy('name').orderBy('registered_at').execute();
  return rows.map((row) => ({
    name: row.name,
    keyId: row.key_id,
    registeredBy: row.registered_by,
    registeredAtMs: row.registered_at.getTime(),
    revokedAtMs: row.revoked_at?.getTime() ?? null,
  }));
}

function requireEd25519(name: string, publicKey: string): void {
  let kind: string | undefined;
  try {
    kind = createPublicKey(publicKey).asymmetricKeyType;
  } catch (cause) {
    throw new PerennialError('DataInvalid', `The key of ${name} cannot be read as a public key in PEM: ${String(cause)}`, { cause });
  }
  if (kind !== 'ed25519')
    throw new PerennialError('DataInvalid', `The key of ${name} is ${kind ?? 'of an unknown kind'}; an Ed25519 key is needed.`);
  if (publicKey.includes('PRIVATE'))
    throw new PerennialError(
      'DataInvalid',
      `What was given for ${name} is a private key. Register the public half only, and replace this key.`,
    );
}
