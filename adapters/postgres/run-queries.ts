import { type Kysely, type Selectable, sql } from 'kysely';
import type { RunResult, TriggerKind } from '../../contracts/retrain.js';
import type { StepProgress } from '../../contracts/steps.js';
import type { Trial } from '../../contracts/tune.js';
import { PerennialError } from '../../domain/errors.js';
import type { RunOutcome } from '../../domain/outcome.js';
import type { Database } from './database.js';
import type { RunEnvironment, RunTable } from './schema.js';

export type RunSummary = {
  readonly model: string;
  readonly run: string;
  readonly asOfMs: number;
  readonly trigger: TriggerKind;
  readonly requestedBy: string;
  readonly reason: string;
  readonly version: string | null;
  /** Null: it goes on. */
  readonly outcome: RunOutcome | null;
  readonly outcomeReason: string | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
};

export type RunDetails = RunSummary & {
  readonly definitionDigest: string;
  readonly codeRevision: string;
  readonly dataDigest: string | null;
  readonly seeds: RunEnvironment;
  readonly machine: RunEnvironment;
  readonly packages: RunEnvironment;
  readonly trainerManifest: unknown;
  readonly useCache: boolean;
  readonly steps: readonly StepProgress[];
  readonly trials: readonly Trial[];
  /** Newest point of each curve; `metricCurve` has all of one. */
  readonly metrics: readonly MetricPoint[];
  readonly result: RunResult | null;
};

export type MetricPoint = {
  readonly name: string;
  readonly step: number;
  readonly value: number | null;
  readonly atMs: number;
};

/** Runs, newest first; 50 unless `limit` says otherwise. */
export async function listRuns(db: Kysely<Database>, { model, limit }: { model?: string; limit?: number } = {}): Promise<RunSummary[]> {
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .$if(model !== undefined, (query) => query.where('model', '=', model!))
    .orderBy('started_at', 'desc')
    .limit(limit ?? 50)
    .execute();
  return rows.map(toSummary);
}

/** All that is known of a run; `Conflict` when there is none of that name. */
export async function showRun(db: Kysely<Database>, { model, run }: { model: string; run: string }): Promise<RunDetails> {
  const row = await db.selectFrom('runs').selectAll().where('model', '=', model).where('run', '=', run).executeTakeFirst();
  if (row === undefined)
    throw new PerennialError('Conflict', `There is no run ${run} of ${model}; ./perennial runs ${model} lists those that exist.`, {
      details: { model, run },
    });
  const steps = await db
    .selectFrom('run_steps')
    .selectAll()
    .where('model', '=', model)
    .where('run', '=', run)
    .orderBy('started_at')
    .execute();
  const trials = await db.selectFrom('trials').selectAll().where('model', '=', model).where('run', '=', run).orderBy('number').execute();
  const metrics = await db
    .selectFrom('run_metrics')
    .selectAll()
    .distinctOn('name')
    .where('model', '=', model)
    .where('run', '=', run)
    .orderBy('name')
    .orderBy('step', 'desc')
    .execute();
  return {
    ...toSummary(row),
    definitionDigest: row.definition_digest,
    codeRevision: row.code_revision,
    dataDigest: row.data_digest,
    seeds: row.seeds,
    machine: row.machine,
    packages: row.packages,
    trainerManifest: row.trainer_manifest,
    useCache: row.use_cache,
    steps: steps.map((step) => ({
      step: step.step,
      status: step.status,
      startedAtMs: step.started_at.getTime(),
      ...(step.ended_at === null ? {} : { endedAtMs: step.ended_at.getTime() }),
      ...(step.detail === null ? {} : { detail: step.detail }),
    })),
    trials: trials.map(({ number, params, state, value, seconds }) => ({
      number,
      params,
      state,
      value,
      ...(seconds === null ? {} : { seconds }),
    })),
    metrics: metrics.map(({ name, step, value, at }) => ({ name, step, value, atMs: at.getTime() })),
    result: row.result,
  };
}

/** The points of one tracked metric of a run, in order. */
export async function metricCurve(db: Kysely<Database>, of: { model: string; run: string; name: string }): Promise<MetricPoint[]> {
  const rows = await db
    .selectFrom('run_metrics')
    .selectAll()
    .where('model', '=', of.model)
    .where('run', '=', of.run)
    .where('name', '=', of.name)
    .orderBy('step')
    .execute();
  return rows.map(({ name, step, value, at }) => ({ name, step, value, atMs: at.getTime() }));
}

/** Newest run of each model. */
export async function newestRuns(db: Kysely<Database>): Promise<Map<string, RunSummary>> {
  const rows = await db
    .selectFrom('runs')
    .selectAll()
    .distinctOn('model')
    .orderBy('model')
    .orderBy(sql`number`, 'desc')
    .execute();
  return new Map(rows.map((row) => [row.model, toSummary(row)]));
}

function toSummary(row: Selectable<RunTable>): RunSummary {
  return {
    model: row.model,
    run: row.run,
    asOfMs: row.as_of.getTime(),
    trigger: row.trigger,
    requestedBy: row.requested_by,
    reason: row.reason,
    version: row.version,
    outcome: row.outcome,
    outcomeReason: row.outcome_reason,
    startedAtMs: row.started_at.getTime(),
    endedAtMs: row.ended_at?.getTime() ?? null,
  };
}
