import type { ApprovalRequest, Decision, DecisionEffect, Identity } from './approval.js';
import { formatTime } from './format.js';

/**
 * What a decision does to a request. Refused, with the way out: another version, a settled or expired request, other
 * evidence, somebody who is no approver, the requester of a high-risk candidate, a second decision of one person, and on
 * high risk one without a verified signature. Else a rejection settles it at once; an approval settles it when nobody is
 * missing any more: one approver for low and limited risk, every named approver but the requester for high risk.
 *
 * `identity` is how sure the caller is of who decided, after checking the signature; times are wall time. An `automatic`
 * decision is the policy's own and counts on low risk alone.
 */
export function judgeDecision(
  request: ApprovalRequest,
  decision: Decision,
  { identity, nowMs }: { identity: Identity; nowMs: number },
): DecisionEffect {
  const reason = refusal(request, decision, { identity, nowMs });
  if (reason !== null) return { kind: 'refused', reason };
  const { by } = decision;
  if (decision.decision === 'reject') return { kind: 'settled', status: 'rejected', reason: `rejected by ${by}: ${decision.reason}` };
  if (identity === 'automatic') return { kind: 'settled', status: 'approved', reason: `approved by policy: ${decision.reason}` };
  const missing = missingApprovers(request).filter((name) => name !== by);
  if (missing.length > 0 && request.risk === 'high') return { kind: 'counted', missing };
  const approvedBy = request.risk === 'high' ? requiredApprovers(request).join(', ') : by;
  return { kind: 'settled', status: 'approved', reason: `approved by ${approvedBy}: ${decision.reason}` };
}

/**
 * Who must still say yes: on high risk every named approver but the requester whose signed approval is not there yet;
 * else all who could be the one approver, as long as none has.
 */
export function missingApprovers(request: ApprovalRequest): readonly string[] {
  const approved = new Set(
    request.decisions
      .filter((one) => one.decision === 'approve' && (request.risk !== 'high' || one.identity === 'signed'))
      .map((one) => one.by),
  );
  const required = requiredApprovers(request);
  if (request.risk === 'high') return required.filter((name) => !approved.has(name));
  return required.some((name) => approved.has(name)) ? [] : required;
}

function requiredApprovers({ approvers, risk, requestedBy }: ApprovalRequest): readonly string[] {
  return risk === 'high' ? approvers.filter((name) => name !== requestedBy) : approvers;
}

function refusal(request: ApprovalRequest, decision: Decision, { identity, nowMs }: { identity: Identity; nowMs: number }): string | null {
  const { model, version } = request;
  const { by } = decision;
  if (decision.version !== version)
    return `${model} ${decision.version} does not wait for approval; ${version} does. Decide about ${version}.`;
  if (request.status !== 'pending')
    return `${model} ${version} is ${request.status} already${settledText(request)}. A decision stands; start a new run for a new candidate.`;
  if (!(nowMs < request.expiresAtMs))
    return `the request for ${model} ${version} expired at ${formatTime(request.expiresAtMs)}. Start a new run for a new candidate.`;
  if (decision.evidenceDigest !== undefined && decision.evidenceDigest !== request.evidenceDigest) {
    return `the evidence of ${model} ${version} is not what ${by} looked at. Show the version again, then decide.`;
  }
  return identity === 'automatic' ? automaticRefusal(request) : personRefusal(request, { by, identity });
}

function automaticRefusal({ risk, model, version }: ApprovalRequest): string | null {
  return risk === 'low' ? null : `${model} ${version} is of ${risk} risk: a person decides, not the policy. Ask an approver.`;
}

function personRefusal(request: ApprovalRequest, { by, identity }: { by: string; identity: Identity }): string | null {
  const { approvers, risk, model, version } = request;
  const named = approvers.length === 0 ? 'nobody is named' : `approvers are ${approvers.join(', ')}`;
  if (risk === 'high' && by === request.requestedBy)
    return `${by} asked for ${model} ${version} and cannot approve or reject it: it is of high risk (${named}).`;
  if (!approvers.includes(by)) {
    return `${by} is no approver of ${model} ${version}: ${named}. ${approvers.length === 0 ? 'Name approvers in the policy, then start a new run.' : 'Ask one of them.'}`;
  }
  if (request.decisions.some((one) => one.by === by))
    return `${by} has decided about ${model} ${version} already. Each approver decides once.`;
  if (risk === 'high' && identity !== 'signed') {
    return `${model} ${version} is of high risk: the decision of ${by} counts only when signed with a registered key. Decide with ./perennial approve or reject, which signs.`;
  }
  return null;
}

function settledText({ decisions }: ApprovalRequest): string {
  const last = decisions.at(-1);
  return last === undefined ? '' : ` (${last.decision === 'approve' ? 'approved' : 'rejected'} by ${last.by} at ${formatTime(last.atMs)})`;
}
