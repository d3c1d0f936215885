import type { PromoteRequest, RetrainRequest } from '../contracts/lifecycle.js';
import type { Decision } from '../domain/approval.js';

// Update validators: synchronous, and about shape only. What is refused here leaves no history, so every refusal with
// a meaning is made in the handler and audited.

export function checkCommand(command: { by: string; reason: string }): void {
  demand(filled(command?.by) && filled(command?.reason), '{"by": "<who>", "reason": "<why>"}, both not empty');
}

export function checkRetrain(request: RetrainRequest): void {
  checkCommand(request);
  demand(request.asOf === undefined || Number.isFinite(request.asOf), '"asOf" as epoch milliseconds');
}

export function checkDecision(decision: Decision): void {
  checkCommand(decision);
  demand(filled(decision.version), '"version", such as "1.0.1"');
  demand(decision.decision === 'approve' || decision.decision === 'reject', '"decision": "approve" or "reject"');
}

export function checkPromote(request: PromoteRequest): void {
  checkCommand(request);
  demand(filled(request.version), '"version", such as "1.0.1"');
}

function filled(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function demand(holds: boolean, expected: string): void {
  if (!holds) throw new TypeError(`expected ${expected}`);
}
