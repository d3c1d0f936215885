import type { ObjectRef } from '../contracts/artifacts.js';
import type { ImportedModel } from '../contracts/imported-model.js';
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
  if (request.imported !== undefined) checkImported(request.imported);
}

/** A null is refused as any other value that is none: it would be taken for a file later. */
function checkImported(imported: ImportedModel | null): void {
  demand(isObject(imported?.onnx), '"imported": {"onnx": {"digest": "sha256:…", "bytes": <bytes>, "mediaType": "application/onnx"}}');
  const { example, expected, framework, tolerance, trainedToMs } = imported ?? {};
  demand(example === undefined || isObject(example), '"imported.example" as an object of the store, as "onnx"');
  demand(expected === undefined || isObject(expected), '"imported.expected" as an object of the store, as "onnx"');
  demand(expected === undefined || example !== undefined, '"imported.example", the request to which "imported.expected" is the answer');
  demand(framework === undefined || filled(framework), '"imported.framework" as text, such as "xgboost 3.1.2"');
  demand(tolerance === undefined || (Number.isFinite(tolerance) && tolerance >= 0), '"imported.tolerance" as a number, 0 or more');
  demand(trainedToMs === undefined || Number.isSafeInteger(trainedToMs), '"imported.trainedToMs" as whole epoch milliseconds');
}

function isObject(ref: ObjectRef | null | undefined): boolean {
  const { digest, bytes, mediaType } = ref ?? {};
  return typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest) && Number.isSafeInteger(bytes) && filled(mediaType);
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
