import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ApprovalRequest, Decision, Identity } from '../../domain/approval.js';
import { judgeDecision, missingApprovers } from '../../domain/approval-rules.js';
import type { Risk } from '../../domain/model-definition.js';

const request = (change: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  model: 'demand-forecast',
  version: '1.0.1',
  risk: 'limited',
  riskReason: 'the definition says so',
  requestedBy: 'schedule',
  approvers: ['ana', 'ben'],
  evidenceDigest: 'sha256:e',
  status: 'pending',
  decisions: [],
  expiresAtMs: 1000,
  ...change,
});
const yes = (by: string, change: Partial<Decision> = {}): Decision => ({
  version: '1.0.1',
  decision: 'approve',
  by,
  reason: 'looks right',
  ...change,
});
const no = (by: string): Decision => yes(by, { decision: 'reject', reason: 'too early' });
const judge = (
  given: ApprovalRequest,
  decision: Decision,
  { identity = 'signed', nowMs = 0 }: { identity?: Identity; nowMs?: number } = {},
) => judgeDecision(given, decision, { identity, nowMs });
const after = (
  given: ApprovalRequest,
  by: string,
  { decision = 'approve', identity = 'signed' }: { decision?: 'approve' | 'reject'; identity?: Identity } = {},
): ApprovalRequest => ({
  ...given,
  decisions: [...given.decisions, { ...yes(by, { decision }), identity, atMs: 0 }],
});

describe('limited risk', () => {
  test('one approver suffices, signed or claimed', () => {
    expect(judge(request(), yes('ben'), { identity: 'claimed' })).toEqual({
      kind: 'settled',
      status: 'approved',
      reason: 'approved by ben: looks right',
    });
    expect(judge(request(), yes('ana'))).toMatchObject({ kind: 'settled', status: 'approved' });
  });

  test('a rejection settles it', () => {
    expect(judge(request(), no('ana'))).toEqual({ kind: 'settled', status: 'rejected', reason: 'rejected by ana: too early' });
  });

  test('an approver who asked for it may decide', () => {
    expect(judge(request({ requestedBy: 'ana' }), yes('ana')).kind).toBe('settled');
  });
});

type Refusal = [given: ApprovalRequest, decision: Decision, context: { identity?: Identity; nowMs?: number }, message: RegExp];

describe('refusals say why and what to do', () => {
  test.each<[string, Refusal]>([
    ['the wrong version', [request(), yes('ana', { version: '1.0.0' }), {}, /1\.0\.0 does not wait for approval; 1\.0\.1 does/]],
    [
      'the second try',
      [after(request({ status: 'approved' }), 'ben'), yes('ana'), {}, /is approved already \(approved by ben at 1970-01-01 00:00 UTC\)/],
    ],
    ['one that expired', [request(), yes('ana'), { nowMs: 1000 }, /expired at .*Start a new run/]],
    ['one that was marked expired', [request({ status: 'expired' }), yes('ana'), {}, /is expired already/]],
    ['a superseded one', [request({ status: 'superseded' }), yes('ana'), {}, /is superseded already/]],
    ['other evidence', [request(), yes('ana', { evidenceDigest: 'sha256:x' }), {}, /Show the version again/]],
    ['no approver', [request(), yes('eve'), {}, /eve is no approver .*: approvers are ana, ben\. Ask one of them/]],
    ['nobody named', [request({ approvers: [] }), yes('eve'), {}, /nobody is named\. Name approvers in the policy/]],
    ['the requester on high risk', [request({ risk: 'high', requestedBy: 'ana' }), yes('ana'), {}, /ana asked for .* and cannot approve/]],
    ['the same person twice', [after(request({ risk: 'high' }), 'ana'), yes('ana'), {}, /ana has decided .* already/]],
    ['unsigned on high risk', [request({ risk: 'high' }), yes('ana'), { identity: 'claimed' }, /only when signed with a registered key/]],
    ['a rejection unsigned on high risk', [request({ risk: 'high' }), no('ana'), { identity: 'claimed' }, /only when signed/]],
    ['the policy on limited risk', [request(), yes('policy'), { identity: 'automatic' }, /a person decides/]],
    ['the policy on high risk', [request({ risk: 'high' }), yes('ana'), { identity: 'automatic' }, /a person decides/]],
    ['a time that is none', [request(), yes('ana'), { nowMs: NaN }, /expired/]],
  ])('%s', (_name, [given, decision, context, message]) => {
    const effect = judge(given, decision, context);
    expect(effect.kind).toBe('refused');
    expect(effect.kind === 'refused' && effect.reason).toMatch(message);
  });

  test('the same evidence, named, is fine', () => {
    expect(judge(request(), yes('ana', { evidenceDigest: 'sha256:e' })).kind).toBe('settled');
  });
});

describe('high risk', () => {
  test('every named approver must say yes, and the last one settles it', () => {
    const high = request({ risk: 'high' });
    expect(judge(high, yes('ana'))).toEqual({ kind: 'counted', missing: ['ben'] });
    expect(judge(after(high, 'ana'), yes('ben'))).toEqual({
      kind: 'settled',
      status: 'approved',
      reason: 'approved by ana, ben: looks right',
    });
    expect(judge(after(high, 'ana'), no('ben'))).toMatchObject({ kind: 'settled', status: 'rejected' });
  });

  test("the requester's own yes is neither asked for nor taken; with nobody else it cannot be approved", () => {
    expect(judge(request({ risk: 'high', requestedBy: 'ben' }), yes('ana'))).toMatchObject({ kind: 'settled', status: 'approved' });
    expect(judge(request({ risk: 'high', requestedBy: 'ana', approvers: ['ana'] }), yes('ana')).kind).toBe('refused');
  });

  test('an unsigned yes that got on record counts for nothing', () => {
    const high = after(request({ risk: 'high' }), 'ana', { identity: 'claimed' });
    expect(missingApprovers(high)).toEqual(['ana', 'ben']);
    expect(judge(high, yes('ben'))).toEqual({ kind: 'counted', missing: ['ana'] });
  });

  test('is never approved with an approver missing, by the requester, unsigned, or late, whatever comes', () => {
    const people = fc.constantFrom('ana', 'ben', 'cyn', 'eve');
    const attempt = fc.record({
      by: people,
      decision: fc.constantFrom('approve', 'reject'),
      identity: fc.constantFrom<Identity>('signed', 'claimed', 'automatic'),
      version: fc.constantFrom('1.0.1', '1.0.0'),
      nowMs: fc.nat(1500),
    });
    const approverSets = fc.uniqueArray(people, { minLength: 0, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.constantFrom<Risk>('low', 'limited', 'high'),
        approverSets,
        fc.tuple(people, fc.array(attempt, { maxLength: 12 })),
        (risk, approvers, [requestedBy, attempts]) => {
          let state = request({ risk, approvers, requestedBy });
          const signedYes = new Set<string>();
          for (const { nowMs, identity, ...told } of attempts) {
            const effect = judge(state, { reason: 'r', ...told }, { identity, nowMs });
            if (effect.kind === 'refused') {
              expect(effect.reason).not.toBe('');
              continue;
            }
            expect(state.status).toBe('pending');
            expect(told.version).toBe('1.0.1');
            expect(nowMs).toBeLessThan(1000);
            if (identity !== 'automatic') expect(approvers).toContain(told.by);
            else expect(risk).toBe('low');
            if (risk === 'high') {
              expect(identity).toBe('signed');
              expect(told.by).not.toBe(requestedBy);
              if (told.decision === 'approve') signedYes.add(told.by);
            }
            const decisions = [...state.decisions, { reason: 'r', ...told, identity, atMs: nowMs }];
            state = { ...state, decisions, status: effect.kind === 'settled' ? effect.status : 'pending' };
            if (risk === 'high' && state.status === 'approved')
              for (const name of approvers) if (name !== requestedBy) expect(signedYes).toContain(name);
            if (told.decision === 'reject') expect(state.status).toBe('rejected');
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('low risk is approved by the policy itself', () => {
  expect(judge(request({ risk: 'low', approvers: [] }), yes('policy'), { identity: 'automatic' })).toMatchObject({
    kind: 'settled',
    status: 'approved',
    reason: 'approved by policy: looks right',
  });
});
