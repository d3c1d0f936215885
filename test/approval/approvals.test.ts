import { MockActivityEnvironment } from '@temporalio/testing';
import { beforeAll, expect, test } from 'vitest';
import { createApprovalActivities } from '../../activities/approval.activities.js';
import { signDecision, verifyDecision } from '../../adapters/keys/decision-signature.js';
import { ensurePersonKey, type PersonKey } from '../../adapters/keys/person-key.js';
import { approvalOf } from '../../adapters/postgres/approval-queries.js';
import { createApprovalStore } from '../../adapters/postgres/approval-store.js';
import { auditTrail, verifyAudit } from '../../adapters/postgres/audit-queries.js';
import { registerPerson, revokeKey } from '../../adapters/postgres/people.js';
import { currentPolicy, editPolicy } from '../../adapters/postgres/policies.js';
import { showVersion } from '../../adapters/postgres/version-queries.js';
import type { ApprovalActivities } from '../../contracts/activities.js';
import type { Decision } from '../../domain/approval.js';
import type { Risk } from '../../domain/model-definition.js';
import { rolloutPlans } from '../../domain/rollout-plans.js';
import { freshWorkspace } from '../support/workspace.js';
import { mape, registryWorld } from '../registry/world.js';

type Asked = Parameters<ApprovalActivities['requestApproval']>[0];

const world = registryWorld();
const activities = () => createApprovalActivities({ approvals: createApprovalStore(world.db()), verifyDecision });
const people: Record<string, PersonKey> = {};

beforeAll(async () => {
  const { home } = freshWorkspace();
  for (const name of ['lead', 'qa', 'ann', 'eve']) {
    people[name] = await ensurePersonKey(`${home}/keys`, name);
    await registerPerson(world.db(), { name, publicKey: people[name].publicKeyPem, by: 'ann', reason: 'test', approver: name !== 'eve' });
  }
});

/** A registered candidate whose approval was asked for by ann. */
async function ask(
  risk: Risk,
  over: Partial<Asked> = {},
): Promise<{ model: string; version: string; evidenceDigest: string; asked: Asked }> {
  const published = await world.publish();
  const version = await world.register(published, 'r-1', { risk });
  const asked: Asked = {
    model: published.model,
    version,
    run: 'r-1',
    risk,
    riskReason: 'declared by the definition',
    requestedBy: 'ann',
    plan: rolloutPlans['shadow-then-canary'],
    gates: [
      {
        gate: { kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 100 },
        outcome: 'passed',
        measured: 0.132,
        limit: 0.15,
        count: 612,
        reason: 'MAPE 13.2% over 612 hours with at least 100 rentals; limit 15%',
      },
    ],
    metrics: [mape(0.132)],
    championMetrics: [mape(0.141)],
    expiresAfterMs: 3_600_000,
    firstVersion: false,
    ...over,
  };
  const { request } = await activities().requestApproval(asked);
  return { model: published.model, version, evidenceDigest: request.evidenceDigest, asked };
}

const decide = (model: string, decision: Decision) => activities().decide({ model, decision });

/** A decision signed by a person's key over exactly what it says. */
function signed(on: { model: string; version: string; evidenceDigest: string }, by: string, over: Partial<Decision> = {}): Decision {
  const decision = {
    version: on.version,
    decision: 'approve' as const,
    by,
    reason: 'looks right',
    evidenceDigest: on.evidenceDigest,
    ...over,
  };
  return { ...decision, ...signDecision({ model: on.model, ...decision }, people[by]!) };
}

test('limited risk: one approver decides, claimed or signed; the version follows', async () => {
  const on = await ask('limited');
  const answer = await decide(on.model, { version: on.version, decision: 'approve', by: 'lead', reason: 'fine', ticket: 'OPS-1' });
  expect(answer).toEqual({ kind: 'settled', version: on.version, status: 'approved', identity: 'claimed' });
  const shown = await showVersion(world.db(), on);
  expect(shown).toMatchObject({
    approval: 'approved',
    stage: 'None',
    request: { status: 'approved', decisions: [{ by: 'lead', identity: 'claimed', ticket: 'OPS-1' }] },
  });
  expect(shown.audit[0]).toMatchObject({ action: 'approval.approve', by: 'lead', ticket: 'OPS-1', outcome: 'done', identity: 'claimed' });
  const other = await ask('limited');
  expect(await decide(other.model, signed(other, 'qa'))).toMatchObject({ kind: 'settled', identity: 'signed' });
  expect((await approvalOf(world.db(), other.model, other.version))!.request.decisions).toMatchObject([
    { by: 'qa', identity: 'signed', keyId: people['qa']!.keyId },
  ]);
});

test('the message and the evidence show both versions on the same rows', async () => {
  const on = await ask('limited', {
    candidateMetrics: [{ ...mape(0.136), count: 440 }],
    championMetrics: [{ ...mape(0.141), count: 440 }],
  });
  const { notice } = await world
    .db()
    .selectFrom('outbox')
    .select('notice')
    .where('model', '=', on.model)
    .where('key', '=', `approvalRequested:${on.model}:${on.version}`)
    .executeTakeFirstOrThrow();
  expect(notice.text).toMatch(/mape 13\.2% \(.*\); on the champion's 440 rows.*: 13\.6%, the champion 14\.1%/);
  const { evidence } = (await approvalOf(world.db(), on.model, on.version))!;
  expect(evidence.candidateMetrics).toEqual(on.asked.candidateMetrics);
});

test('high risk: every named approver but the requester, each signed, and one rejection ends it', async () => {
  const on = await ask('high');
  expect(await decide(on.model, { version: on.version, decision: 'approve', by: 'lead', reason: 'fine' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('signed'),
  });
  expect(await decide(on.model, signed(on, 'ann'))).toMatchObject({ kind: 'refused', reason: expect.stringContaining('asked for') });
  expect(await decide(on.model, signed(on, 'lead'))).toEqual({ kind: 'counted', version: on.version, missing: ['qa'], identity: 'signed' });
  expect((await showVersion(world.db(), on)).approval).toBe('pending');
  expect(await decide(on.model, signed(on, 'qa'))).toMatchObject({ kind: 'settled', status: 'approved' });

  const other = await ask('high');
  await decide(other.model, signed(other, 'lead'));
  expect(await decide(other.model, signed(other, 'qa', { decision: 'reject', reason: 'too slow' }))).toMatchObject({
    kind: 'settled',
    status: 'rejected',
  });
  expect((await showVersion(world.db(), other)).approval).toBe('rejected');
});

test('a signature that is not over this decision by this person is refused, and so is a revoked key', async () => {
  const on = await ask('limited');
  const good = signed(on, 'lead');
  const forgeries: Decision[] = [
    { ...good, reason: 'other words' },
    { ...good, by: 'qa' },
    { ...good, by: 'qa', keyId: people['qa']!.keyId },
    { ...good, evidenceDigest: `sha256:${'1'.repeat(64)}` },
    { ...good, signature: 'AAAA' },
    { ...good, signature: '' },
    { ...signed(on, 'lead', { version: '9.9.9' }), version: on.version },
    { ...good, ...signDecision({ model: 'another', ...good }, people['lead']!) },
    { ...good, keyId: 'f'.repeat(64) },
  ];
  for (const forged of forgeries)
    expect(await decide(on.model, forged)).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/signature|registered key/) });
  expect((await approvalOf(world.db(), on.model, on.version))!.request).toMatchObject({ status: 'pending', decisions: [] });
  expect(await auditTrail(world.db(), { model: on.model, outcome: 'refused' })).toHaveLength(forgeries.length);

  const key = await ensurePersonKey(`${freshWorkspace().home}/keys`, 'lead');
  await registerPerson(world.db(), { name: 'lead', publicKey: key.publicKeyPem, by: 'ann', reason: 'a new laptop' });
  const bySecondKey = { version: on.version, decision: 'approve' as const, by: 'lead', reason: 'fine', evidenceDigest: on.evidenceDigest };
  await revokeKey(world.db(), { keyId: key.keyId, by: 'ann', reason: 'lost' });
  expect(await decide(on.model, { ...bySecondKey, ...signDecision({ model: on.model, ...bySecondKey }, key) })).toMatchObject({
    kind: 'refused',
  });
  expect(await decide(on.model, good)).toMatchObject({ kind: 'settled', identity: 'signed' });
});

test('the wrong version, the wrong person, other evidence and the second try are refused with the reason, and audited', async () => {
  const on = await ask('limited');
  const approve = { version: on.version, decision: 'approve', by: 'lead', reason: 'fine' } as const;
  expect(await decide(on.model, { ...approve, version: '7.7.7' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining(`${on.version} waits`),
  });
  expect(await decide(on.model, { ...approve, by: 'eve' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('no approver'),
  });
  expect(await decide(on.model, { ...approve, evidenceDigest: `sha256:${'2'.repeat(64)}` })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('evidence'),
  });
  expect(await decide(on.model, approve)).toMatchObject({ kind: 'settled' });
  expect(await decide(on.model, approve)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('already') });
  expect(await decide('nobody', approve)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('nothing of nobody waits') });
  expect(await auditTrail(world.db(), { model: on.model, outcome: 'refused' })).toHaveLength(4);
});

test('of many decisions at once one settles it', async () => {
  const on = await ask('limited');
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      decide(on.model, {
        version: on.version,
        decision: index % 2 === 0 ? 'approve' : 'reject',
        by: ['lead', 'qa', 'ann'][index % 3]!,
        reason: `${index}`,
      }),
    ),
  );
  expect(answers.filter(({ kind }) => kind === 'settled')).toHaveLength(1);
  expect(answers.filter(({ kind }) => kind === 'refused')).toHaveLength(19);
  const settled = answers.find(({ kind }) => kind === 'settled')!;
  expect((await showVersion(world.db(), on)).approval).toBe('status' in settled ? settled.status : '');
});

test('a retried activity answers as its first attempt did; a new call is a second try', async () => {
  const on = await ask('limited');
  const call = (activityId: string, decision: Decision) =>
    new MockActivityEnvironment({ activityId, workflowExecution: { workflowId: `model:${on.model}`, runId: 'run-1' } }).run(() =>
      decide(on.model, decision),
    );
  const approve = { version: on.version, decision: 'approve', by: 'lead', reason: 'fine' } as const;
  const first = await call('7', approve);
  expect(first).toMatchObject({ kind: 'settled', status: 'approved' });
  expect(await call('7', approve)).toEqual(first);
  const refused = await call('8', approve);
  expect(refused).toMatchObject({ kind: 'refused' });
  expect(await call('8', approve)).toEqual(refused);
  expect(await auditTrail(world.db(), { model: on.model, action: 'approval.approve' })).toHaveLength(2);
});

test('policy approves low risk and a first version by itself, and says so; never high risk', async () => {
  const low = await ask('low');
  expect(await activities().requestApproval(low.asked)).toMatchObject({
    settled: 'approved',
    reason: expect.stringContaining('by policy'),
    request: { status: 'approved', decisions: [{ by: 'policy', identity: 'automatic' }] },
  });
  expect((await auditTrail(world.db(), { model: low.model, action: 'approval.request' }))[0]).toMatchObject({
    identity: 'automatic',
    outcome: 'done',
  });
  expect(
    (await approvalOf(world.db(), ...(await ask('limited', { firstVersion: true }).then((on) => [on.model, on.version] as const))))!.request
      .status,
  ).toBe('approved');
  expect(
    (await approvalOf(world.db(), ...(await ask('high', { firstVersion: true }).then((on) => [on.model, on.version] as const))))!.request
      .status,
  ).toBe('pending');

  await editPolicy(world.db(), { change: { autoApproveLowRisk: false }, by: 'ann', reason: 'look at everything' });
  const asked = await ask('low');
  expect((await approvalOf(world.db(), asked.model, asked.version))!.request.status).toBe('pending');
  await editPolicy(world.db(), { change: { autoApproveLowRisk: true }, by: 'ann', reason: 'back again' });
});

test('asking twice asks once; the message shows what a person needs to decide', async () => {
  const on = await ask('limited');
  const again = await activities().requestApproval(on.asked);
  expect(again).toMatchObject({
    settled: null,
    request: { evidenceDigest: on.evidenceDigest, status: 'pending', approvers: ['lead', 'qa', 'ann'] },
  });
  const rows = await world.db().selectFrom('outbox').select('notice').where('model', '=', on.model).execute();
  expect(rows).toHaveLength(1);
  const text = rows[0]!.notice.text;
  for (const part of [
    '13.2%',
    '14.1%',
    'limit 15%',
    'shadow 1 h',
    '5% for 1 h',
    `./perennial approve ${on.model} ${on.version}`,
    `model:${on.model}`,
    'lead, qa, ann',
  ])
    expect(text).toContain(part);
});

test('a request expires, is superseded or settled once', async () => {
  const on = await ask('limited');
  const settle = (status: 'expired' | 'superseded') =>
    activities().settleApproval({ model: on.model, version: on.version, status, reason: 'nobody decided within 168 hours' });
  expect(await settle('expired')).toEqual({ status: 'expired' });
  expect(await settle('expired')).toEqual({ status: 'expired' });
  expect(await settle('superseded')).toEqual({ status: 'expired' });
  expect(await showVersion(world.db(), on)).toMatchObject({ approval: 'rejected', settledReason: 'nobody decided within 168 hours' });
  expect(await decide(on.model, { version: on.version, decision: 'approve', by: 'lead', reason: 'late' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('expired'),
  });
  const late = await ask('limited', { expiresAfterMs: 0 });
  expect(await decide(late.model, { version: late.version, decision: 'approve', by: 'lead', reason: 'late' })).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining('expired'),
  });
  const decided = await ask('limited');
  await decide(decided.model, { version: decided.version, decision: 'approve', by: 'lead', reason: 'fine' });
  expect(await activities().settleApproval({ model: decided.model, version: decided.version, status: 'expired', reason: 'late' })).toEqual({
    status: 'approved',
  });
});

test('what its gates refused cannot be put up for approval', async () => {
  const published = await world.publish();
  const version = await world.register(published, 'r-1', { refused: 'MAPE 16.1%' });
  const { asked } = await ask('limited');
  await expect(activities().requestApproval({ ...asked, model: published.model, version })).rejects.toMatchObject({
    type: 'Conflict',
    message: expect.stringContaining('MAPE 16.1%'),
  });
  await expect(activities().requestApproval({ ...asked, model: published.model, version: '8.8.8' })).rejects.toMatchObject({
    type: 'Conflict',
  });
});

test('policy has versions, each with who, why and what it was before; wrong edits change nothing', async () => {
  const before = await currentPolicy(world.db());
  const edits = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) =>
      editPolicy(world.db(), { change: { maxLatencyMs: 200 + index }, by: 'lead', reason: 'slower machines', ticket: 'OPS-9' }),
    ),
  );
  expect(edits.every((edit) => edit.status === 'fulfilled')).toBe(true);
  expect((await currentPolicy(world.db())).version).toBe(before.version + 8);
  await expect(editPolicy(world.db(), { change: { minAccuracy: 90 }, by: 'lead', reason: 'x' })).rejects.toMatchObject({
    type: 'DataInvalid',
  });
  const [entry] = await auditTrail(world.db(), { action: 'policy.edit', ticket: 'OPS-9', limit: 1 });
  expect(entry).toMatchObject({
    by: 'lead',
    model: null,
    details: { before: { version: before.version + 7 }, after: { version: before.version + 8 } },
  });
  await expect(world.db().updateTable('policies').set({ reason: 'x' }).execute()).rejects.toMatchObject({ type: 'Conflict' });
});

test('a key belongs to one person and is an Ed25519 one', async () => {
  const { publicKeyPem, privateKeyPem, keyId } = people['lead']!;
  expect(await registerPerson(world.db(), { name: 'lead', publicKey: publicKeyPem, by: 'ann', reason: 'again' })).toEqual({
    keyId,
    registered: false,
  });
  await expect(registerPerson(world.db(), { name: 'eve', publicKey: publicKeyPem, by: 'eve', reason: 'x' })).rejects.toMatchObject({
    type: 'Conflict',
  });
  await expect(registerPerson(world.db(), { name: 'eve', publicKey: 'nonsense', by: 'eve', reason: 'x' })).rejects.toMatchObject({
    type: 'DataInvalid',
  });
  await expect(registerPerson(world.db(), { name: 'eve', publicKey: privateKeyPem, by: 'eve', reason: 'x' })).rejects.toMatchObject({
    type: 'DataInvalid',
    message: expect.stringContaining('private'),
  });
});

test('after all of this the audit is whole', async () => {
  expect(await verifyAudit(world.db())).toMatchObject({ kind: 'whole' });
});
