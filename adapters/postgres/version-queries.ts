import { type Kysely, type Selectable, sql } from 'kysely';
import type { ObjectRef, PackageRef } from '../../contracts/artifacts.js';
import type { ApprovalRequest } from '../../domain/approval.js';
import { PerennialError } from '../../domain/errors.js';
import type { GateResult } from '../../domain/gates.js';
import type { MetricValue } from '../../domain/metrics.js';
import type { HyperparameterValue, ModelDefinition, Risk } from '../../domain/model-definition.js';
import type { Alias, ApprovalStatus, Stage } from '../../domain/version.js';
import { approvalOf } from './approval-queries.js';
import { type AuditRow, auditTrail } from './audit-queries.js';
import type { Database } from './database.js';
import { aliasHistory, type AliasPeriod, currentAliases } from './model-uri.js';
import type { ApprovalEvidence, VersionTable } from './schema.js';
import { rolloutTable, type RolloutView } from './serving/rollout-queries.js';

export type VersionSummary = {
  readonly model: string;
  readonly version: string;
  readonly run: string;
  readonly stage: Stage;
  readonly approval: ApprovalStatus;
  readonly risk: Risk;
  readonly riskReason: string;
  readonly refused: string | null;
  readonly aliases: readonly Alias[];
  readonly metrics: readonly MetricValue[];
  readonly changelog: string;
  readonly previousVersion: string | null;
  /** Null for an imported version of which nobody said. */
  readonly trainedFromMs: number | null;
  readonly trainedToMs: number | null;
  readonly createdAtMs: number;
};

export type VersionDetails = VersionSummary & {
  readonly package: PackageRef;
  readonly championMetrics: readonly MetricValue[];
  readonly candidateMetrics: readonly MetricValue[];
  readonly gates: readonly GateResult[];
  readonly evaluation: ObjectRef;
  readonly hyperparameters: Readonly<Record<string, HyperparameterValue>>;
  readonly definitionDigest: string;
  readonly datasetDigest: string | null;
  readonly features: ModelDefinition['features'];
  readonly signature: ModelDefinition['serving'];
  readonly card: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly request: ApprovalRequest | null;
  readonly evidence: ApprovalEvidence | null;
  readonly settledReason: string | null;
  readonly rollouts: readonly RolloutView[];
  readonly investigations: readonly {
    readonly id: string;
    readonly reason: string;
    readonly openedBy: string;
    readonly openedAtMs: number;
    readonly closedAtMs: number | null;
    readonly closingReason: string | null;
  }[];
  readonly history: readonly AliasPeriod[];
  readonly audit: readonly AuditRow[];
};

/** Versions of a model, highest number first. */
export async function listVersions(db: Kysely<Database>, { model, limit }: { model: string; limit?: number }): Promise<VersionSummary[]> {
  const aliases = await currentAliases(db, model);
  const rows = await db
    .selectFrom('versions')
    .selectAll()
    .where('model', '=', model)
    .orderBy(sql`string_to_array(version, '.')::bigint[]`, 'desc')
    .limit(limit ?? 100)
    .execute();
  return rows.map((row) => toSummary(row, aliases));
}

/** All that is known of a version, with its approval, rollouts, history and audit; `Conflict` when there is none. */
export async function showVersion(db: Kysely<Database>, { model, version }: { model: string; version: string }): Promise<VersionDetails> {
  const row = await db.selectFrom('versions').selectAll().where('model', '=', model).where('version', '=', version).executeTakeFirst();
  if (row === undefined)
    throw new PerennialError(
      'Conflict',
      `There is no version ${version} of ${model}; ./perennial versions ${model} lists those that exist.`,
      { details: { model, version } },
    );
  const approval = await approvalOf(db, model, version);
  const investigations = await db
    .selectFrom('investigations')
    .selectAll()
    .where('model', '=', model)
    .where('version', '=', version)
    .orderBy('opened_at', 'desc')
    .execute();
  return {
    ...toSummary(row, await currentAliases(db, model)),
    package: row.package,
    championMetrics: row.champion_metrics,
    candidateMetrics: row.candidate_metrics,
    gates: row.gates,
    evaluation: row.evaluation,
    hyperparameters: row.hyperparameters,
    definitionDigest: row.definition_digest,
    datasetDigest: row.dataset_digest,
    features: row.feature_schema,
    signature: row.signature,
    card: row.card,
    tags: row.tags,
    request: approval?.request ?? null,
    evidence: approval?.evidence ?? null,
    settledReason: approval?.settledReason ?? null,
    rollouts: await rolloutsOf(db, model, version),
    investigations: investigations.map((one) => ({
      id: one.id,
      reason: one.reason,
      openedBy: one.opened_by,
      openedAtMs: one.opened_at.getTime(),
      closedAtMs: one.closed_at?.getTime() ?? null,
      closingReason: one.closing_reason,
    })),
    history: (await aliasHistory(db, model)).filter((period) => period.version === version),
    audit: await auditTrail(db, { model, version }),
  };
}

/** Rollouts of a version, newest first, with the newest evidence of each step. */
export async function rolloutsOf(db: Kysely<Database>, model: string, version: string): Promise<RolloutView[]> {
  const rows = await db
    .selectFrom('rollouts')
    .select('promotion_id')
    .where('model', '=', model)
    .where('version', '=', version)
    .orderBy('started_at', 'desc')
    .execute();
  const views = await Promise.all(rows.map((row) => rolloutTable(db, row.promotion_id)));
  return views.filter((view) => view !== null);
}

function toSummary(row: Selectable<VersionTable>, aliases: Partial<Record<Alias, string>>): VersionSummary {
  return {
    model: row.model,
    version: row.version,
    run: row.run,
    stage: row.stage,
    approval: row.approval_status,
    risk: row.risk,
    riskReason: row.risk_reason,
    refused: row.refused,
    aliases: (['champion', 'challenger', 'previous'] as const).filter((alias) => aliases[alias] === row.version),
    metrics: row.metrics,
    changelog: row.changelog,
    previousVersion: row.previous_version,
    trainedFromMs: row.trained_from?.getTime() ?? null,
    trainedToMs: row.trained_to?.getTime() ?? null,
    createdAtMs: row.created_at.getTime(),
  };
}
