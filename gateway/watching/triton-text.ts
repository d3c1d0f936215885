import type { Exposition } from './exposition.js';
import type { CountedTime, VersionMetrics, VersionSnapshot } from './version-metrics.js';

/** Triton's reasons of a failed request; `OTHER` for what stands in none. */
const reasons: readonly { readonly reason: string; readonly kinds: readonly string[] }[] = [
  { reason: 'REJECTED', kinds: ['overloaded', 'loading', 'timeout', 'expired', 'rateLimited'] },
  { reason: 'CANCELED', kinds: ['cancelled'] },
  { reason: 'BACKEND', kinds: ['inferenceFailed', 'notFinite'] },
];

/** The same counts under the names of NVIDIA's Triton, so that its dashboards and load tools read this gateway. */
export function writeTriton(text: Exposition, versions: readonly VersionMetrics[]): void {
  const labelled = versions.map((metrics) => ({
    metrics,
    snapshot: metrics.snapshot(),
    labels: { model: metrics.model, version: metrics.version },
  }));
  const each = (read: (snapshot: VersionSnapshot) => number): void =>
    labelled.forEach(({ snapshot, labels }) => text.add(labels, read(snapshot)));
  const micros = (name: string, help: string, read: (snapshot: VersionSnapshot) => CountedTime): void => {
    text.family(name, 'counter', help);
    each((snapshot) => Math.round(read(snapshot).ns / 1_000));
  };

  text.family('nv_inference_request_success', 'counter', 'Number of successful inference requests');
  each(({ success }) => success.count);
  text.family('nv_inference_request_failure', 'counter', 'Number of failed inference requests');
  for (const { metrics, labels } of labelled)
    for (const [reason, count] of failuresByReason(metrics)) text.add({ ...labels, reason }, count);
  text.family('nv_inference_count', 'counter', 'Number of inferences performed (rows, without those answered from the cache)');
  each(({ inferences }) => inferences);
  text.family('nv_inference_exec_count', 'counter', 'Number of model executions (runs of a batch)');
  each(({ runs }) => runs);
  text.family('nv_inference_pending_request_count', 'gauge', 'Number of requests that wait for a run or are in it');
  for (const { metrics, labels } of labelled) text.add(labels, metrics.waiting);
  micros('nv_inference_request_duration_us', 'Cumulative request duration in microseconds', ({ success }) => success);
  micros('nv_inference_queue_duration_us', 'Cumulative queuing duration in microseconds', ({ queue }) => queue);
  micros('nv_inference_compute_input_duration_us', 'Cumulative compute input duration in microseconds', ({ computeInput }) => computeInput);
  micros(
    'nv_inference_compute_infer_duration_us',
    'Cumulative compute inference duration in microseconds',
    ({ computeInfer }) => computeInfer,
  );
  micros(
    'nv_inference_compute_output_duration_us',
    'Cumulative compute output duration in microseconds',
    ({ computeOutput }) => computeOutput,
  );
  text.family('nv_cache_num_hits_per_model', 'counter', 'Number of response cache hits per model');
  each(({ cacheHit }) => cacheHit.count);
  text.family('nv_cache_num_misses_per_model', 'counter', 'Number of response cache misses per model');
  each(({ cacheMiss }) => cacheMiss.count);
  micros('nv_cache_hit_duration_per_model', 'Cumulative response cache hit duration in microseconds', ({ cacheHit }) => cacheHit);
  micros('nv_cache_miss_duration_per_model', 'Cumulative response cache miss duration in microseconds', ({ cacheMiss }) => cacheMiss);
}

/** All four reasons, with zeros, as Triton writes them. */
function failuresByReason({ failedRequests }: VersionMetrics): Map<string, number> {
  const counts = new Map([...reasons.map(({ reason }) => reason), 'OTHER'].map((reason) => [reason, 0]));
  for (const [kind, count] of failedRequests) {
    const { reason } = reasons.find(({ kinds }) => kinds.includes(kind)) ?? { reason: 'OTHER' };
    counts.set(reason, counts.get(reason)! + count);
  }
  return counts;
}
