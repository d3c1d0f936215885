import type { HostedVersion } from '../models/hosted-version.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';

const nothing = { count: 0, ns: 0 };

/**
 * `GET /v2/models[/{m}[/versions/{v}]]/stats`: what each version has answered since this process first loaded it, as
 * Triton's statistics have it. Times are sums over requests, in nanoseconds.
 */
export function statistics(tables: RoutingTable, of: { model: string | null; version: string | null }): Reply {
  return json(200, { model_stats: versionsOf(tables, of).map(figures) });
}

function versionsOf(tables: RoutingTable, { model, version }: { model: string | null; version: string | null }): HostedVersion[] {
  if (model === null) return tables.models.flatMap((name) => [...tables.need(name).versions.values()]);
  const table = tables.need(model);
  return version === null ? [...table.versions.values()] : [chooseVersion(table, { version, key: null })];
}

function figures({ metrics }: HostedVersion) {
  const of = metrics.snapshot();
  return {
    name: of.model,
    version: of.version,
    last_inference: of.lastRunMs ?? 0,
    inference_count: of.inferences,
    execution_count: of.runs,
    inference_stats: {
      success: of.success,
      fail: of.fail,
      queue: of.queue,
      compute_input: of.computeInput,
      compute_infer: of.computeInfer,
      compute_output: of.computeOutput,
      cache_hit: of.cacheHit,
      cache_miss: of.cacheMiss,
    },
    response_stats: {},
    // A batch's tensors are put together and taken apart for each request, so only its run has a time of its own.
    batch_stats: of.batches.map(({ rows, computeInfer }) => ({
      batch_size: rows,
      compute_input: nothing,
      compute_infer: computeInfer,
      compute_output: nothing,
    })),
    memory_usage: [],
  };
}
