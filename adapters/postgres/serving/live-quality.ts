import { sql, type Kysely } from 'kysely';
import type { QualityFigure, QualitySource } from '../../../activities/quality-ports.js';
import type { QualityLimit } from '../../../domain/quality-check.js';
import type { Database } from '../database.js';

/** What a rollout calls its errors, as a metric: it stores their means. */
const meanOf: Record<QualityLimit['metric'], string> = { ape: 'mape', absoluteError: 'mae' };

/** The quality of live versions as the registry knows it: their evaluation, and the newest look at a rollout of theirs. */
export function createQualitySource(db: Kysely<Database>): QualitySource {
  return {
    async live() {
      const [evaluated, looked] = await Promise.all([evaluations(db), looks(db)]);
      return [...looked, ...evaluated];
    },
  };
}

const live = sql`(select model, variant->>'version' as version from routes cross join lateral jsonb_array_elements(variants) variant)`;

async function evaluations(db: Kysely<Database>): Promise<QualityFigure[]> {
  const { rows } = await sql<Omit<QualityFigure, 'source' | 'measuredAtMs'> & { at: Date }>`
    select model, version, metric->>'name' as metric, (metric->>'value')::float8 as value, (metric->>'count')::bigint as rows,
      created_at as at
    from ${live} live join versions using (model, version) cross join lateral jsonb_array_elements(metrics) metric
    where metric->>'value' is not null
    order by model, version, metric->>'name'`.execute(db);
  return rows.map(({ at, ...figure }) => ({ ...figure, source: 'evaluation', measuredAtMs: at.getTime() }));
}

type Look = { model: string; version: string; value: number; rows: number; kind: QualityLimit['metric']; at: Date };

async function looks(db: Kysely<Database>): Promise<QualityFigure[]> {
  const { rows } = await sql<Look>`
    select distinct on (model, version) model, version, value, rows, kind, at
    from (
      select live.model, live.version,
        (case when rollouts.version = live.version then evidence->>'challengerError' else evidence->>'championError' end)::float8 as value,
        (evidence->>'pairs')::bigint as rows, evidence->'limits'->'quality'->>'metric' as kind, looked_at as at
      from ${live} live
      join rollouts on rollouts.model = live.model and live.version in (rollouts.version, rollouts.champion)
      join rollout_steps using (promotion_id)
    ) seen
    where value is not null
    order by model, version, at desc`.execute(db);
  return rows.map(({ kind, at, ...look }) => ({ ...look, metric: meanOf[kind], source: 'rollout', measuredAtMs: at.getTime() }));
}
