import { beforeAll, describe, expect, it } from 'vitest';
import type { FeatureSet } from '../../contracts/activities.js';
import { withScratch } from '../../activities/data/data-deps.js';
import { readDataset } from '../../activities/data/read-dataset.js';
import { loadOnnx } from '../../activities/evaluation/onnx-model.js';
import { compileFeatures, inputColumns } from '../../domain/feature-computation.js';
import type { OutcomeHistory } from '../../domain/features.js';
import { computeMetrics } from '../../domain/metric-computation.js';
import { judgeGates } from '../../domain/gate-judgement.js';
import type { TrainedDefinition } from '../../domain/model-definition.js';
import demandForecast from '../../models/demand-forecast.js';
import { type DataWorld, dataWorld } from '../data/world.js';
import { type Activities, activitiesOf, context, prepared, trained } from './trained.js';

const october = Date.UTC(2011, 9, 1);
const november = Date.UTC(2011, 10, 1);

let world: DataWorld;
let activities: Activities;
beforeAll(async () => {
  world = await dataWorld('bikeshare');
  activities = await activitiesOf(world);
});

async function evaluated(definition: TrainedDefinition, asOfMs: number) {
  const parts = await prepared(activities, definition, asOfMs);
  const model = await trained(activities, definition, { on: parts.train, purpose: `train-${definition.window.days}` });
  const step = { ...context, model: definition.name, definition };
  const report = await activities.evaluateModel({ ...step, onnx: model.onnx, holdout: parts.holdout, champion: null });
  return { parts, model, report };
}

const judged = (definition: TrainedDefinition, report: Awaited<ReturnType<typeof evaluated>>['report']) =>
  judgeGates(definition.gates, { candidate: report.metrics, champion: report.champion, latencyP95Ms: report.latencyP95Ms });

describe('demand-forecast on the real data, as of 2011-10-01', () => {
  it('has the window of 200 days without the absent hours, and passes its gate below 15%', async () => {
    const { parts, report } = await evaluated(demandForecast, october);
    expect(parts.dataset).toMatchObject({ fromMs: october - 200 * 86_400_000, toMs: october });
    expect(parts.dataset.rows).toBeGreaterThan(4_700);
    expect(parts.dataset.rows).toBeLessThan(4_800);
    const mape = report.metrics.find(({ name }) => name === 'mape')!;
    console.log(
      `200 days, 2011-10-01: ${report.metrics.map(({ name, value, count }) => `${name} ${value?.toFixed(4)} over ${count}`).join(', ')}; P95 ${report.latencyP95Ms.toFixed(3)} ms`,
    );
    expect(mape).toMatchObject({ floor: 100 });
    expect(mape.count).toBeGreaterThan(500);
    expect(mape.count + mape.excluded).toBe(report.rows);
    expect(judged(demandForecast, report)).toMatchObject({ refused: null });
    expect(report.residualsByHour).toHaveLength(24);
  });

  it('is refused at a limit of 10%, with the figure, the floor and the count', async () => {
    const strict: TrainedDefinition = { ...demandForecast, gates: [{ kind: 'maximum', metric: 'mape', limit: 0.1, minRows: 200 }] };
    const { report } = await evaluated(strict, october);
    const { refused } = judged(strict, report);
    expect(refused).toMatch(/10/);
    expect(refused).toMatch(/100/);
  });

  it('reports what a window of 90 days gives, whatever it is', async () => {
    const { report } = await evaluated({ ...demandForecast, window: { days: 90 } }, october);
    const mape = report.metrics.find(({ name }) => name === 'mape')!;
    console.log(`90 days, 2011-10-01: MAPE ${mape.value?.toFixed(4)} over ${mape.count} hours of at least ${mape.floor}`);
    expect(mape.value).toBeGreaterThan(0);
  });

  it('still answers when every label is a day late, and worse: that is what late labels cost', async () => {
    const { parts, model, report } = await evaluated(demandForecast, october);
    const { features, eventTime, target } = demandForecast;
    const late = await withScratch(world, [], async (scratch) => {
      const columns = { eventTime, target: target.column, inputs: inputColumns(features) };
      const rows = await readDataset(world, { dataset: parts.dataset, columns }, scratch);
      const first = rows.timesMs.findIndex((timeMs) => timeMs >= parts.holdout.fromMs);
      const fill = compileFeatures(features);
      const matrix = new Float32Array(parts.holdout.rows * features.length);
      for (let i = 0; i < parts.holdout.rows; i++) {
        const row = first + i;
        const timeMs = rows.timesMs[row]!;
        const known = timeMs - 24 * 3_600_000;
        const history: OutcomeHistory = {
          at: (at) => (at < known ? rows.history.at(at) : undefined),
          range: (fromMs, toMs) => rows.history.range(Math.min(fromMs, known), Math.min(toMs, known)),
        };
        fill(
          { timeMs, inputs: Object.fromEntries(columns.inputs.map((name) => [name, rows.inputs[name]![row]])) },
          matrix,
          i * features.length,
          history,
        );
      }
      const onnx = await loadOnnx(await world.objects.get(model.onnx.digest), demandForecast.serving.output);
      const predicted = await onnx.predict(matrix, features.length);
      await onnx.close();
      return computeMetrics(demandForecast.metrics, { actual: rows.target.subarray(first), predicted });
    });
    const [onTime, delayed] = [report.metrics, late].map((metrics) => metrics.find(({ name }) => name === 'mape')!);
    console.log(`labels a day late: MAPE ${delayed!.value?.toFixed(4)} instead of ${onTime!.value?.toFixed(4)} over ${delayed!.count}`);
    expect(delayed!.count).toBe(onTime!.count);
    expect(delayed!.value).toBeGreaterThan(onTime!.value!);
  });

  it('is worse without the rentals of the last three hours', async () => {
    const short = (feature: TrainedDefinition['features'][number]) =>
      (feature.kind === 'lag' && feature.agoMs <= 3 * 3_600_000) || feature.name === 'mean3h';
    const { report: full } = await evaluated(demandForecast, october);
    const { report } = await evaluated(
      { ...demandForecast, features: demandForecast.features.filter((feature) => !short(feature)) },
      october,
    );
    const [withLags, without] = [full, report].map(({ metrics }) => metrics.find(({ name }) => name === 'mape')!.value!);
    console.log(`without the lags of 1 to 3 hours: MAPE ${without!.toFixed(4)}`);
    expect(without).toBeGreaterThan(withLags!);
  });
});

describe('November against the champion of October', () => {
  it('is compared on rows newer than the training of both', async () => {
    const first = await evaluated(demandForecast, october);
    const refit = await trained(activities, demandForecast, { on: first.parts.features, purpose: 'refit' });
    const step = { ...context, model: demandForecast.name, definition: demandForecast };
    const champion = {
      version: '1.0.0',
      package: await activities.packageModel({ ...step, trained: refit, sample: first.parts.holdout, evaluation: first.report.object }),
      trainedToMs: first.parts.features.toMs,
    };
    const next = await prepared(activities, demandForecast, november);
    const model = await trained(activities, demandForecast, { on: next.train, purpose: 'train-november' });
    const report = await activities.evaluateModel({ ...step, onnx: model.onnx, holdout: next.holdout, champion });
    const mapeOf = (metrics: typeof report.metrics) => metrics.find(({ name }) => name === 'mape')!;
    const theirs = mapeOf(report.champion!.metrics);
    const ours = mapeOf(report.champion!.candidateMetrics);
    console.log(
      `October's rows: champion ${theirs.value?.toFixed(4)}, candidate before its refit ${ours.value?.toFixed(4)} over ${ours.count}; candidate on its holdout ${mapeOf(report.metrics).value?.toFixed(4)}`,
    );
    expect(report.champion!.fromMs).toBe(october);
    expect(theirs.count).toBe(ours.count);
    expect(report.champion!.rows).toBeLessThan(report.rows);
    await followingWeeks({
      first: refit,
      next: await trained(activities, demandForecast, { on: next.features, purpose: 'refit-november' }),
      plain: model,
    });
  });

  /** The comparison: both versions on the weeks after November's as-of time. */
  async function followingWeeks(models: Record<'first' | 'next' | 'plain', { onnx: FeatureSet['object'] }>) {
    const after = await prepared(
      activities,
      { ...demandForecast, window: { days: 28 }, checks: { ...demandForecast.checks, minRows: 100 } },
      november + 28 * 86_400_000,
    );
    const figures: Record<string, number> = {};
    for (const [name, { onnx }] of Object.entries(models)) {
      const report = await activities.evaluateModel({
        ...context,
        model: demandForecast.name,
        definition: demandForecast,
        onnx,
        holdout: after.features,
        champion: null,
      });
      figures[name] = report.metrics.find((metric) => metric.name === 'mape')!.value!;
    }
    console.log(
      `28 days after 2011-11-01: October refitted ${figures['first']!.toFixed(4)}, November ${figures['plain']!.toFixed(4)}, November refitted ${figures['next']!.toFixed(4)}`,
    );
    expect(figures['next']).toBeLessThan(figures['plain']!);
  }
});
