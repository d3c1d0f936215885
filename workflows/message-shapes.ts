import type { ObjectRef } from '../contracts/artifacts.js';
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
  const { imported } = request;
  if (imported === undefined) return;
  const { onnx, example, expected } = imported;
  demand(isObject(onnx), '"imported": {"onnx": {"digest": "sha256:…", "bytes": <bytes>, "mediaType": "application/onnx"}}');
  demand(example === undefined || isObject(example), '"imported.example" as an object of the store, as "onnx"');
  demand(expected === undefined || isObject(expected), '"imported.expected" as an object of the store, as "onnx"');
}

function isObject(ref: ObjectRef | undefined): boolean {
  return typeof ref?.digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(ref.digest) && Number.isSafeInteger(ref.bytes);
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
