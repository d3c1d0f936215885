import { sql } from 'kysely';
import { beforeEach, expect, test } from 'vitest';
import { appendAudit, type AuditEntry } from '../../adapters/postgres/audit-log.js';
import { auditTrail, verifyAudit } from '../../adapters/postgres/audit-queries.js';
import { inTransaction } from '../../adapters/postgres/database.js';
import { registryWorld } from './world.js';

const world = registryWorld();
const entry: AuditEntry = { model: 'demand', action: 'promote', by: 'ann', outcome: 'done', reason: 'all checks passed' };
const append = (over: Partial<AuditEntry> = {}) => inTransaction(world.db(), (trx) => appendAudit(trx, { ...entry, ...over }));

/** As somebody with the rights of the table's owner would. */
async function tamper(change: (db: ReturnType<typeof world.db>) => Promise<unknown>): Promise<void> {
  await sql`alter table audit disable trigger user`.execute(world.db());
  await change(world.db());
  await sql`alter table audit enable trigger user`.execute(world.db());
}

beforeEach(async () => {
  await sql`alter table audit disable trigger user; alter table audit_head disable trigger user`.execute(world.db());
  await sql`delete from audit; update audit_head set sequence = 0, hash = repeat('0', 64)`.execute(world.db());
  await sql`alter table audit enable trigger user; alter table audit_head enable trigger user`.execute(world.db());
});

test('entries written at once form one whole chain', async () => {
  await Promise.all(Array.from({ length: 60 }, (_, index) => append({ by: `person ${index}`, ticket: `OPS-${index}` })));
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'whole', rows: 60 });
  expect(await auditTrail(world.db(), { ticket: 'OPS-7' })).toMatchObject([{ by: 'person 7', outcome: 'done' }]);
  expect((await auditTrail(world.db(), { limit: 3, before: 58 })).map(({ sequence }) => sequence)).toEqual([57, 56, 55]);
});

test('any value comes back as it was hashed', async () => {
  const details = {
    'ключ 🔑': 'a\u0000b',
    half: '\ud83d',
    numbers: [0, -0, 1e21, 1e-7, 0.1 + 0.2, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53],
    nested: { none: null, gone: undefined, at: new Date(0), list: [undefined, { b: 1, a: 2 }] },
    text: '"\\u0000 \n\t\u2028',
  };
  await append({ details, reason: 'with \u0000 in it', ticket: '😀' });
  await append();
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'whole', rows: 2 });
});

test('a key is written once, and a rolled-back act leaves no entry', async () => {
  const first = await append({ key: 'promote:1' });
  expect(await append({ key: 'promote:1', reason: 'again' })).toEqual({ sequence: first.sequence, written: false });
  await expect(
    inTransaction(world.db(), async (trx) => {
      await appendAudit(trx, entry);
      throw new Error('the act failed');
    }),
  ).rejects.toThrow('the act failed');
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'whole', rows: 1 });
});

test('rows are neither changed nor removed', async () => {
  await append();
  const db = world.db();
  await expect(db.updateTable('audit').set({ reason: 'better words' }).execute()).rejects.toMatchObject({ type: 'Conflict' });
  await expect(db.deleteFrom('audit').execute()).rejects.toMatchObject({ type: 'Conflict' });
  await expect(sql`truncate audit`.execute(db)).rejects.toMatchObject({ type: 'Conflict' });
  await expect(sql`truncate audit_head`.execute(db)).rejects.toMatchObject({ type: 'Conflict' });
});

test('whoever gets past that is found, and the first bad row is named', async () => {
  for (let index = 1; index <= 6; index += 1) await append({ details: { index } });
  await tamper((db) => db.updateTable('audit').set({ actor: 'eve' }).where('sequence', '=', 3).execute());
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'broken', sequence: 3, reason: expect.stringContaining('changed after') });
  await tamper((db) => db.updateTable('audit').set({ actor: 'ann' }).where('sequence', '=', 3).execute());
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'whole' });
  await tamper((db) => sql`update audit set details = '{"index": 40}' where sequence = 4`.execute(db));
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'broken', sequence: 4 });
  await tamper((db) => sql`update audit set details = '{"index": 4}' where sequence = 4; delete from audit where sequence = 2`.execute(db));
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'broken', sequence: 2, reason: expect.stringContaining('missing') });
});

test('rows cut off the end are missed', async () => {
  for (let index = 1; index <= 4; index += 1) await append();
  await tamper((db) => db.deleteFrom('audit').where('sequence', '>', 2).execute());
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'broken', sequence: 3, reason: expect.stringContaining('removed') });
});
