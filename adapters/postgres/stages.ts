import { PerennialError } from '../../domain/errors.js';
import { assertStageMove } from '../../domain/stage-rules.js';
import type { ApprovalStatus, Stage } from '../../domain/version.js';
import type { DatabaseTransaction } from './database.js';
import { violates } from './failures.js';

export type StageMove = {
  readonly model: string;
  readonly version: string;
  readonly to: Stage;
  /** When given, `Conflict` if the version is at another stage. */
  readonly expected?: Stage;
};

/**
 * Moves a version to a stage in the caller's transaction; answers the stage before. A version that is there already
 * stays, which is no error. `Conflict` when the move is not legal, `NotApproved` when an unapproved version would go to
 * Staging or Production. There is one version in Production: archive the old one first, in the same transaction.
 */
export async function moveStage(trx: DatabaseTransaction, { model, version, to, expected }: StageMove): Promise<{ from: Stage }> {
  const row = await lockVersion(trx, model, version);
  if (row.stage === to) return { from: row.stage };
  if (expected !== undefined && row.stage !== expected) {
    throw new PerennialError('Conflict', `${model} ${version} is at stage ${row.stage}, not ${expected}: somebody moved it meanwhile.`, {
      details: { model, version, stage: row.stage, expected, to },
    });
  }
  assertStageMove({ stage: row.stage, approval: row.approval_status }, to, `${model} ${version}`);
  try {
    await trx.updateTable('versions').set({ stage: to }).where('model', '=', model).where('version', '=', version).execute();
  } catch (error) {
    if (violates(error, 'versions_one_in_production')) {
      throw new PerennialError(
        'Conflict',
        `${model} ${version} cannot go to Production while another version is there; archive that one first.`,
        { details: { model, version }, cause: error },
      );
    }
    throw error;
  }
  return { from: row.stage };
}

/** Locks a version's row and answers its stage and approval status; `Conflict` when there is no such version. */
export async function lockVersion(
  trx: DatabaseTransaction,
  model: string,
  version: string,
): Promise<{ stage: Stage; approval_status: ApprovalStatus }> {
  const row = await trx
    .selectFrom('versions')
    .select(['stage', 'approval_status'])
    .where('model', '=', model)
    .where('version', '=', version)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined)
    throw new PerennialError(
      'Conflict',
      `There is no version ${version} of ${model}; ./perennial versions ${model} lists those that exist.`,
      { details: { model, version } },
    );
  return row;
}
