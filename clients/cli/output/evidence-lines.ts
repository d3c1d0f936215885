import { formatMetricFigure, formatRows } from '../../../domain/format.js';
import type { GateResult } from '../../../domain/gates.js';
import type { MetricValue } from '../../../domain/metrics.js';
import type { RolloutPlan } from '../../../domain/rollout-plan.js';
import { verdictText } from './figures.js';
import { describeStep } from './rollout-lines.js';
import type { Style } from './style.js';
import { tableLines } from './table.js';

type Canvas = { readonly style: Style; readonly width: number };

/** Each metric against the champion's, with the rows behind it. */
export function metricLines(
  { metrics, championMetrics }: { metrics: readonly MetricValue[]; championMetrics: readonly MetricValue[] },
  canvas: Canvas,
): string[] {
  const rows = metrics.map((metric) => {
    const champion = championMetrics.find(({ name }) => name === metric.name);
    return [
      metric.name,
      formatMetricFigure(metric.kind, metric.value),
      champion === undefined ? '-' : formatMetricFigure(champion.kind, champion.value),
      formatRows(metric),
      champion === undefined ? '' : formatRows(champion),
    ];
  });
  const columns = [
    { title: 'metric' },
    { title: 'candidate', right: true },
    { title: 'champion', right: true },
    { title: 'rows of the candidate' },
    { title: 'rows of the champion' },
  ];
  const table = tableLines(columns, rows, canvas);
  const otherRows = metrics.some((metric) => championMetrics.some(({ name, count }) => name === metric.name && count !== metric.count));
  return otherRows
    ? [
        ...table,
        canvas.style.dim(
          'The champion was measured on newer rows alone, those that neither was trained on; its gate compares both on the same rows.',
        ),
      ]
    : table;
}

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
