import type { Kysely } from 'kysely';
import type { ApprovalRequest } from '../../domain/approval.js';
import { PerennialError } from '../../domain/errors.js';
import type { ModelDefinition, Risk } from '../../domain/model-definition.js';
import type { Alias } from '../../domain/version.js';
import { approvalOf, pendingVersions } from './approval-queries.js';
import type { Database } from './database.js';
import { currentAliases } from './model-uri.js';
import { listRuns, newestRuns, type RunSummary } from './run-queries.js';
import { openInvestigations } from './serving/investigations.js';
import { newestRollout, type RolloutView } from './serving/rollout-queries.js';

export type ModelSummary = {
  readonly model: string;
  readonly description: string;
  readonly owner: string;
  readonly task: ModelDefinition['task'];
  readonly risk: Risk;
  readonly definitionDigest: string;
  readonly aliases: Partial<Record<Alias, string>>;
  readonly lastRun: RunSummary | null;
  /** Versions that wait for a decision. */
  readonly waiting: readonly string[];
};

/** Every model with a published definition, by name. */
export async function listModels(db: Kysely<Database>): Promise<ModelSummary[]> {
  const rows = await db
    .selectFrom('active_definitions as active')
    .innerJoin('definitions', 'definitions.digest', 'active.digest')
    .select(['active.model', 'definitions.digest', 'definitions.definition'])
    .orderBy('active.model')
    .execute();
  const aliases = await db.selectFrom('aliases').select(['model', 'alias', 'version']).execute();
  const waiting = await db
    .selectFrom('approvals')
    .select(['model', 'version'])
    .where('status', '=', 'pending')
    .orderBy('requested_at')
    .execute();
  const runs = await newestRuns(db);
  return rows.map(({ model, digest, definition }) => ({
    model,
    description: definition.description,
    owner: definition.owner,
    task: definition.task,
    risk: definition.risk,
    definitionDigest: digest,
    aliases: Object.fromEntries(aliases.filter((row) => row.model === model).map((row) => [row.alias, row.version])),
    lastRun: runs.get(model) ?? null,
    waiting: waiting.filter((row) => row.model === model).map((row) => row.version),
  }));
}

export type RegistryStatus = {
  readonly model: string;
  readonly aliases: Partial<Record<Alias, string>>;
  readonly paused: { readonly by: string; readonly reason: string; readonly atMs: number } | null;
  readonly runs: readonly RunSummary[];
  readonly waiting: readonly ApprovalRequest[];
  /** The rollout that goes on, or null. */
  readonly rollout: RolloutView | null;
  readonly openInvestigations: readonly { readonly version: string; readonly reason: string }[];
};

/** What the registry alone can say of a model, for when no worker is up; `Conflict` for an unknown model. */
export async function modelStatus(db: Kysely<Database>, model: string): Promise<RegistryStatus> {
  const known = await db.selectFrom('active_definitions').select('model').where('model', '=', model).executeTakeFirst();
  if (known === undefined)
    throw new PerennialError('Conflict', `There is no model ${model}; ./perennial status lists those that are published.`, {
      details: { model },
    });
  const flags = await db.selectFrom('lifecycles').selectAll().where('model', '=', model).executeTakeFirst();
  const pending = await pendingVersions(db, model);
  const waiting = await Promise.all(pending.map((version) => approvalOf(db, model, version)));
  const rollout = await newestRollout(db, { model });
  const open = await openInvestigations(db, { model });
  return {
    model,
    aliases: await currentAliases(db, model),
    paused:
      flags?.paused_by == null ? null : { by: flags.paused_by, reason: flags.paused_reason ?? '', atMs: flags.paused_at?.getTime() ?? 0 },
    runs: await listRuns(db, { model, limit: 10 }),
    waiting: waiting.flatMap((one) => (one === null ? [] : [one.request])),
    rollout: rollout?.status === 'running' ? rollout : null,
    openInvestigations: open.map(({ version, reason }) => ({ version, reason })),
  };
}
