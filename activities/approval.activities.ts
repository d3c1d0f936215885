import type { ApprovalActivities } from '../contracts/activities.js';
import { digestOf } from '../contracts/digest.js';
import type { Decision, Identity } from '../domain/approval.js';
import { judgeDecision } from '../domain/approval-rules.js';
import { PerennialError } from '../domain/errors.js';
import { approvalNotice } from './approval-notice.js';
import { callKey } from './call-key.js';
import type { ApprovalDraft, ApprovalStore, ApprovalSubject, DecisionSubject, JudgedDecision } from './registry-ports.js';

type Asked = Parameters<ApprovalActivities['requestApproval']>[0];
type SignedDecision = { readonly model: string } & Pick<Decision, 'version' | 'decision' | 'by' | 'reason' | 'evidenceDigest'>;

export type ApprovalDependencies = {
  readonly approvals: ApprovalStore;
  /** Whether the signature (base64) over exactly this decision is by this key (PEM). Never throws. */
  readonly verifyDecision: (decision: SignedDecision, signature: string, publicKeyPem: string) => boolean;
};

/** Requests for approval and decisions on them. */
export function createApprovalActivities({ approvals, verifyDecision }: ApprovalDependencies): ApprovalActivities {
  return {
    async requestApproval(input) {
      const { request, settledReason } = await approvals.request({ model: input.model, version: input.version }, (subject) =>
        draftRequest(input, subject),
      );
      if (request.status === 'approved') return { request, settled: 'approved', reason: settledReason ?? 'approved' };
      return {
        request,
        settled: null,
        reason:
          settledReason ??
          `waits for ${request.approvers.length === 0 ? 'an approver (the policy names none)' : request.approvers.join(', ')}`,
      };
    },

    decide: ({ model, decision }) =>
      approvals.decide({ model, decision, requestKey: callKey() }, (subject) => judge({ model, ...decision }, subject, verifyDecision)),

    settleApproval: async (input) => ({ status: await approvals.settle(input) }),
  };
}

/** Policy decides by itself on low risk, and on the first version of a model unless its risk is high. */
function draftRequest(asked: Asked, { policy, packageDigest, nowMs, refused }: ApprovalSubject): ApprovalDraft {
  const { model, version, run, risk, riskReason, plan, gates, metrics, championMetrics, candidateMetrics = [] } = asked;
  if (refused !== null) {
    throw new PerennialError(
      'Conflict',
      `${model} ${version} was refused by its gates (${refused}) and cannot be approved. Train another version: ./perennial train ${model}`,
      { details: { model, version } },
    );
  }
  const evidence = { model, version, run, packageDigest, risk, riskReason, plan, gates, metrics, championMetrics, candidateMetrics };
  const evidenceDigest = digestOf(evidence);
  const expiresAtMs = nowMs + asked.expiresAfterMs;
  const automatic = automaticReason(asked, policy.autoApproveLowRisk);
  return {
    request: { model, version, risk, riskReason, requestedBy: asked.requestedBy, approvers: policy.approvers, evidenceDigest, expiresAtMs },
    run,
    evidence,
    policyVersion: policy.version,
    automatic: automatic === null ? null : { reason: automatic },
    notice: automatic === null ? approvalNotice(asked, { approvers: policy.approvers, expiresAtMs, evidenceDigest }) : null,
  };
}

function automaticReason({ risk, riskReason, firstVersion }: Asked, autoApproveLowRisk: boolean): string | null {
  if (risk === 'low' && autoApproveLowRisk) return `approved by policy: low risk (${riskReason})`;
  if (firstVersion && risk !== 'high') return `approved by policy: nothing is live yet, the gates passed and the risk is ${risk}`;
  return null;
}

function judge(
  decision: Decision & { model: string },
  subject: DecisionSubject,
  verify: ApprovalDependencies['verifyDecision'],
): JudgedDecision {
  const known = identify(decision, subject, verify);
  if (known.kind === 'refused') return { effect: known, identity: 'claimed', keyId: null };
  return {
    effect: judgeDecision(subject.request, decision, { identity: known.identity, nowMs: subject.nowMs }),
    identity: known.identity,
    keyId: known.keyId,
  };
}

/** A signature is by a registered key of that person and over exactly this decision, or the decision is refused. */
function identify(
  decision: Decision & { model: string },
  { keys }: DecisionSubject,
  verify: ApprovalDependencies['verifyDecision'],
): { kind: 'known'; identity: Identity; keyId: string | null } | { kind: 'refused'; reason: string } {
  const { signature, keyId, by } = decision;
  if (signature === undefined) return { kind: 'known', identity: 'claimed', keyId: null };
  const candidates = keyId === undefined ? keys : keys.filter((key) => key.keyId === keyId);
  if (candidates.length === 0) {
    return {
      kind: 'refused',
      reason: `${by} has no registered key${keyId === undefined ? '' : ` ${keyId}`}: register it first (./perennial policy), or decide with the key that is registered`,
    };
  }
  const signer = candidates.find((key) => verify(decision, signature, key.publicKey));
  if (signer !== undefined) return { kind: 'known', identity: 'signed', keyId: signer.keyId };
  return {
    kind: 'refused',
    reason: `the signature is not ${by}'s over this decision: sign exactly model, version, decision, by, reason and evidenceDigest (./perennial approve does)`,
  };
}
