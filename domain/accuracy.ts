import type { MetricValue } from './metrics.js';

/**
 * What stands for accuracy where a policy compares it: of a regression 1 - WAPE, the share of the total that was
 * predicted right (WAPE and not MAPE, because it needs no floor and no row explodes). Below 0 it is 0. Null without a
 * WAPE that has a figure: then nothing is known of it.
 */
export function accuracyOf(metrics: readonly MetricValue[]): { readonly accuracy: number; readonly count: number } | null {
  const metric = metrics.find((one) => one.kind === 'wape');
  if (metric === undefined || metric.value === null || !Number.isFinite(metric.value) || metric.count < 1) return null;
  return { accuracy: Math.max(0, 1 - metric.value), count: metric.count };
}
