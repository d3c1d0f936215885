import { PerennialError } from './errors.js';
import type { ApprovalStatus, Stage } from './version.js';

/**
 * Legal moves of a version's stage. The way up is None, Staging, Production, and nothing skips Staging. Staging goes back
 * to None (rollout taken back, to be tried again) or to Archived; what Production is replaced by sends it to Archived.
 * From Archived a version returns to Production by a rollback, or to Staging by a rollout after its investigation was
 * closed. None goes to Archived by retention or refusal.
 */
const stageMoves: Readonly<Record<Stage, readonly Stage[]>> = {
  None: ['Staging', 'Archived'],
  Staging: ['Production', 'None', 'Archived'],
  Production: ['Archived'],
  Archived: ['Staging', 'Production'],
};

/** Legal moves of the approval status: a decision stands. */
const approvalMoves: Readonly<Record<ApprovalStatus, readonly ApprovalStatus[]>> = {
  pending: ['approved', 'rejected'],
  approved: [],
  rejected: [],
};

/** The two fields of a version that say where it stands. */
export type Standing = { readonly stage: Stage; readonly approval: ApprovalStatus };

/**
 * Refuses a move of stage that is not legal with `Conflict`, and one of a version that is not approved to where it could
 * get traffic (Staging, Production) with `NotApproved`. A move to the same stage is a move too, and is refused.
 */
export function assertStageMove({ stage, approval }: Standing, to: Stage, of: string): void {
  if (!stageMoves[stage].includes(to)) {
    throw new PerennialError(
      'Conflict',
      `${of} cannot move from ${stage} to ${to}: from ${stage} it moves to ${stageMoves[stage].join(' or ')}.`,
      { details: { from: stage, to } },
    );
  }
  if ((to === 'Staging' || to === 'Production') && approval !== 'approved') {
    throw new PerennialError(
      'NotApproved',
      `${of} cannot move to ${to}: its approval is ${approval}. ${approval === 'pending' ? 'Approve it first.' : 'Start a new run for a new candidate.'}`,
      { details: { approval, to } },
    );
  }
}

/** Refuses any change of a settled approval with `Conflict`. */
export function assertApprovalMove(from: ApprovalStatus, to: ApprovalStatus, of: string): void {
  if (approvalMoves[from].includes(to)) return;
  throw new PerennialError(
    'Conflict',
    `The approval of ${of} cannot change from ${from} to ${to}: ${from === 'pending' ? 'it can be approved or rejected' : 'a decision stands'}.`,
    { details: { from, to } },
  );
}
