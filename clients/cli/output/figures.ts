import { formatCount, formatDuration, formatMetricFigure } from '../../../domain/format.js';
import type { MetricValue } from '../../../domain/metrics.js';
import type { RunOutcome } from '../../../domain/outcome.js';
import type { Style } from './style.js';

/** How long ago a moment of wall time was: `5 min ago`. */
export const ago = (thenMs: number, nowMs = Date.now()): string =>
  nowMs - thenMs < 1_000 ? 'just now' : `${formatDuration(Math.floor((nowMs - thenMs) / 1000) * 1000)} ago`;

const byteUnits = ['bytes', 'KiB', 'MiB', 'GiB'] as const;

/** A size: `512 bytes`, `1.2 MiB`. */
export function bytesText(bytes: number): string {
  const unit = Math.min(byteUnits.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  return unit === 0 ? formatCount(bytes, 'byte') : `${(bytes / 1024 ** unit).toFixed(1)} ${byteUnits[unit]}`;
}

/** The headline figures of a version in one cell: `mape 13.2%, wape 9.1%`. */
export const metricCell = (metrics: readonly MetricValue[]): string =>
  metrics.length === 0 ? '-' : metrics.map((metric) => `${metric.name} ${formatMetricFigure(metric.kind, metric.value)}`).join(', ');

/** An outcome in its colour: green for what went live, red for a failure, yellow for a result that is not the wished one. */
export function outcomeText(outcome: RunOutcome | 'running' | null, style: Style): string {
  switch (outcome) {
    case 'promoted':
      return style.good(outcome);
    case 'failed':
      return style.bad(outcome);
    case null:
    case 'running':
      return 'running';
    case 'rolledBack':
    case 'gateRefused':
    case 'rejected':
    case 'expired':
    case 'superseded':
    case 'skipped':
      return style.warn(outcome);
  }
}

/** A verdict of a check, a gate or a step in its colour. */
export function verdictText(verdict: string, style: Style): string {
  if (verdict === 'pass' || verdict === 'passed') return style.good(verdict);
  if (verdict === 'fail' || verdict === 'failed' || verdict === 'refused') return style.bad(verdict);
  return style.warn(verdict);
}
