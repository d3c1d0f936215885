import type { Risk } from './model-definition.js';

export type Decision = {
  readonly version: string;
  readonly decision: 'approve' | 'reject';
  readonly by: string;
  readonly reason: string;
  readonly ticket?: string;
  /** Digest of the evidence that the decider saw. */
  readonly evidenceDigest?: string;
  readonly keyId?: string;
  /** Base64 Ed25519 over the canonical JSON of {model, version, decision, by, reason, evidenceDigest}. */
  readonly signature?: string;
};

/** How sure we are of who decided: `signed` by a registered key, `claimed` without, `automatic` by policy. */
export type Identity = 'signed' | 'claimed' | 'automatic';

export type ApprovalRequest = {
  readonly model: string;
  readonly version: string;
  readonly risk: Risk;
  readonly riskReason: string;
  readonly requestedBy: string;
  readonly approvers: readonly string[];
  readonly evidenceDigest: string;
  readonly status: 'pending' | 'approved' | 'rejected' | 'expired' | 'superseded';
  readonly decisions: readonly (Decision & { readonly identity: Identity; readonly atMs: number })[];
  readonly expiresAtMs: number;
};

/** What a decision does to a request: it counts (and maybe settles it), or is refused with the reason. */
export type DecisionEffect =
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'counted'; readonly missing: readonly string[] }
  | { readonly kind: 'settled'; readonly status: 'approved' | 'rejected'; readonly reason: string };
