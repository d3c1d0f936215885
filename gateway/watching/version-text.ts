import type { Exposition } from './exposition.js';
import type { VersionMetrics } from './version-metrics.js';

/** The versions' own metric families. */
export function writeVersions(text: Exposition, versions: readonly VersionMetrics[]): void {
  const labelled = versions.map((metrics) => ({ metrics, labels: { model_name: metrics.model, version: metrics.version } }));
  const each = (read: (metrics: VersionMetrics) => number | null): void =>
    labelled.forEach(({ metrics, labels }) => text.add(labels, read(metrics)));
  const histograms = (read: (metrics: VersionMetrics) => VersionMetrics['latency']): void =>
    labelled.forEach(({ metrics, labels }) => text.histogram(labels, read(metrics)));
  const byError = (read: (metrics: VersionMetrics) => VersionMetrics['failedRows']): void => {
    for (const { metrics, labels } of labelled) for (const [kind, count] of read(metrics)) text.add({ ...labels, error_type: kind }, count);
  };

  text.family('model_predictions_total', 'counter', 'Rows predicted for callers');
  each(({ rows }) => rows);
  text.family('model_prediction_errors_total', 'counter', 'Rows that this version gave no prediction for, by error');
  byError(({ failedRows }) => failedRows);
  text.family('model_prediction_latency_seconds', 'histogram', 'From the arrival of a request to its prediction');
  histograms(({ latency }) => latency);
  writeRecent(text, labelled);

  text.family('gateway_queue_seconds', 'histogram', 'Wait of a request for its run to begin');
  histograms(({ queueTime }) => queueTime);
  text.family('gateway_run_seconds', 'histogram', 'One run of the model');
  histograms(({ runTime }) => runTime);
  text.family('gateway_batch_rows', 'histogram', 'Rows of one run');
  histograms(({ batchRows }) => batchRows);
  text.family('gateway_in_flight', 'gauge', 'Requests at work');
  each(({ inFlight }) => inFlight);
  text.family('gateway_waiting', 'gauge', 'Requests that wait for their run or are in it');
  each(({ waiting }) => waiting);

  text.family('gateway_shadow_predictions_total', 'counter', 'Rows predicted as the shadow, which no caller gets');
  each(({ shadowRows }) => shadowRows);
  text.family('gateway_shadow_errors_total', 'counter', 'Rows that the shadow failed at, by error');
  byError(({ shadowFailedRows }) => shadowFailedRows);
  text.family('gateway_shadow_latency_seconds', 'histogram', 'Answers of the shadow');
  histograms(({ shadowLatency }) => shadowLatency);
  text.family('gateway_shadow_shed_total', 'counter', 'Copies of requests that the shadow did not get');
  each(({ shed }) => shed);
  text.family('gateway_fallbacks_total', 'counter', 'Requests that the champion answered because this version could not');
  each(({ fallbacks }) => fallbacks);

  text.family('model_load_seconds', 'gauge', 'Last load of a version, with verification and warm-up');
  each(({ loadSeconds }) => loadSeconds);
  text.family('model_loads_total', 'counter', 'Loads of a version that succeeded');
  each(({ loads }) => loads);
  text.family('model_loaded', 'gauge', 'Whether the version is loaded (1) or was (0)');
  each(({ isLoaded }) => (isLoaded ? 1 : 0));
  text.family('gateway_cache_hits_total', 'counter', 'Requests answered from the response cache');
  each((metrics) => metrics.snapshot().cacheHit.count);
  text.family('gateway_cache_misses_total', 'counter', 'Requests that the response cache had no answer for');
  each((metrics) => metrics.snapshot().cacheMiss.count);
}

function writeRecent(
  text: Exposition,
  labelled: readonly { readonly metrics: VersionMetrics; readonly labels: { model_name: string; version: string } }[],
): void {
  const nowMs = performance.now();
  const figures = labelled.map(({ metrics, labels }) => ({ labels, recent: metrics.recent(nowMs) }));
  text.family('model_prediction_recent_latency_seconds', 'gauge', 'Quantiles of the last minute or two, within 1%');
  for (const { labels, recent } of figures) {
    for (const [quantile, ms] of [
      ['0.5', recent.p50Ms],
      ['0.95', recent.p95Ms],
      ['0.99', recent.p99Ms],
    ] as const)
      text.add({ ...labels, quantile }, ms === null ? null : ms / 1000);
  }
  text.family('model_invocations_per_minute', 'gauge', 'Requests answered, over the last minute or two');
  for (const { labels, recent } of figures) text.add(labels, (recent.count * 60_000) / Math.max(recent.spanMs, 1_000));
}
