import type { MetricValue } from './metrics.js';

/**
 * A fraction as a percentage: 0.132 is `13.2%`, 0.001 `0.1%`, 0.15 `15%`. Figures under a tenth of a percent keep two
 * significant digits (`0.05%`). What is not a finite number is called so.
 */
export function formatPercent(fraction: number | null, digits = 1): string {
  if (fraction === null || !Number.isFinite(fraction)) return 'no figure';
  const percent = fraction * 100;
  const small = percent !== 0 && Math.abs(percent) < 10 ** -digits;
  return `${group(trimZeros(small ? Number(percent.toPrecision(2)).toString() : percent.toFixed(digits)))}%`;
}

/** A plain number for people: up to four significant digits after grouping, `1,234.5`, `0.05`. */
export function formatNumber(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return 'no figure';
  const magnitude = Math.abs(value);
  if (Number.isInteger(value)) return group(value.toString());
  return group(trimZeros(magnitude >= 1 ? value.toFixed(magnitude >= 1000 ? 1 : 3) : Number(value.toPrecision(3)).toString()));
}

/** A count with its noun, grouped by thousands: `2,995 requests`, `1 request`. */
export function formatCount(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A latency: `0.42 ms`, `12.3 ms`, `1,204 ms`. */
export function formatLatency(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return 'no figure';
  const magnitude = Math.abs(ms);
  const shown = magnitude >= 100 ? ms.toFixed(0) : magnitude >= 1 ? ms.toFixed(1) : Number(ms.toPrecision(2)).toString();
  return `${group(trimZeros(shown))} ms`;
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** A duration by its two largest units: `1 h`, `3 d 12 h`, `30 min`, `1.5 s` below a minute, `250 ms` below a second. */
export function formatDuration(durationMs: number): string {
  if (!Number.isFinite(durationMs)) return 'an unknown time';
  if (durationMs < 0) return `-${formatDuration(-durationMs)}`;
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${trimZeros((durationMs / 1000).toFixed(1))} s`;
  let left = Math.round(durationMs / 1000) * 1000;
  const parts: string[] = [];
  for (const [name, unitMs] of units) {
    const count = Math.floor(left / unitMs);
    if (count > 0) parts.push(`${count} ${name}`);
    else if (parts.length > 0) break;
    left -= count * unitMs;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** A moment of model or wall time, UTC, to the minute: `2011-11-01 02:00 UTC`. */
export function formatTime(timeMs: number): string {
  if (!Number.isFinite(timeMs) || Math.abs(timeMs) > 8.64e15) return 'an unknown time';
  return `${new Date(timeMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** A figure of a metric in its own unit: a percentage for MAPE and WAPE, a plain number else. */
export function formatMetricFigure(kind: MetricValue['kind'], value: number | null): string {
  return kind === 'mape' || kind === 'wape' ? formatPercent(value) : formatNumber(value);
}

/** A metric with what one must know to read it: `mape 13.2% (612 rows with an actual of at least 100)`. */
export function formatMetric(metric: MetricValue): string {
  return `${metric.name} ${formatMetricFigure(metric.kind, metric.value)} (${formatRows(metric)})`;
}

/** The rows behind a figure, with the floor and those without a finite prediction or under the floor when there is no figure. */
export function formatRows(metric: Pick<MetricValue, 'count' | 'excluded' | 'floor' | 'value'>): string {
  const floor = metric.floor === undefined || metric.floor <= 0 ? '' : ` with an actual of at least ${formatNumber(metric.floor)}`;
  const excluded = metric.value === null && metric.excluded > 0 ? `, ${formatNumber(metric.excluded)} left out` : '';
  return `${formatCount(metric.count, 'row')}${floor}${excluded}`;
}

/**
 * A figure and its limit, written so that a reader sees them differ: digits grow until they do (15.04% against 15%).
 * Figures that are equal look equal.
 */
export function formatAgainst(
  write: (value: number, digits: number) => string,
  { measured, limit }: { measured: number; limit: number },
): string {
  for (let digits = 1; digits < 8; digits += 1) {
    const text = write(measured, digits);
    if (measured === limit || text !== write(limit, digits)) return text;
  }
  return write(measured, 8);
}

function trimZeros(text: string): string {
  return text.includes('.') && !text.includes('e') ? text.replace(/\.?0+$/, '') : text;
}

function group(text: string): string {
  if (text.includes('e')) return text;
  const [whole = '', ...rest] = text.split('.');
  return [whole.replace(/\B(?=(\d{3})+(?!\d))/g, ','), ...rest].join('.');
}
