import { formatMetricFigure, formatRows } from '../../../domain/format.js';
import type { GateResult } from '../../../domain/gates.js';
import type { MetricValue } from '../../../domain/metrics.js';
import type { RolloutPlan } from '../../../domain/rollout-plan.js';
import { verdictText } from './figures.js';
import { describeStep } from './rollout-lines.js';
import type { Style } from './style.js';
import { tableLines } from './table.js';

type Canvas = { readonly style: Style; readonly width: number };

type Measured = {
  readonly metrics: readonly MetricValue[];
  readonly championMetrics: readonly MetricValue[];
  readonly candidateMetrics?: readonly MetricValue[];
};

/**
 * Each metric over all rows that the candidate was not trained on, then its own and the champion's over the rows that are new to
 * both: those two are compared.
 */
export function metricLines({ metrics, championMetrics, candidateMetrics = [] }: Measured, canvas: Canvas): string[] {
  const compared = championMetrics.length > 0;
  const rows = metrics.map((metric) => {
    const champion = championMetrics.find(({ name }) => name === metric.name);
    const ours = candidateMetrics.find(({ name }) => name === metric.name);
    const both = [figureOf(ours), figureOf(champion), champion === undefined ? '' : formatRows(champion)];
    return [metric.name, figureOf(metric), formatRows(metric), ...(compared ? both : [])];
  });
  const columns = [
    { title: 'metric' },
    { title: 'candidate', right: true },
    { title: 'over' },
    ...(compared ? [{ title: 'candidate', right: true }, { title: 'champion', right: true }, { title: 'both over' }] : []),
  ];
  return tableLines(columns, rows, canvas);
}

const figureOf = (metric: MetricValue | undefined): string => (metric === undefined ? '-' : formatMetricFigure(metric.kind, metric.value));

export function gateLines(gates: readonly GateResult[], canvas: Canvas): string[] {
  const rows = gates.map(({ gate, outcome, reason }) => [gateName(gate), verdictText(outcome, canvas.style), reason]);
  return tableLines([{ title: 'gate' }, { title: 'outcome' }, { title: 'why' }], rows, canvas);
}

export function planTable(plan: RolloutPlan, canvas: Canvas): string[] {
  const rows = plan.steps.map((step, index) => [String(index + 1), step.name, describeStep(step)]);
  return tableLines([{ title: '' }, { title: 'step' }, { title: 'what' }], rows, canvas);
}

function gateName(gate: GateResult['gate']): string {
  switch (gate.kind) {
    case 'maximum':
    case 'minimum':
      return `${gate.kind} ${gate.metric}`;
    case 'notWorseThanChampion':
      return `${gate.metric} against champion`;
    case 'latency':
      return 'latency';
  }
}
