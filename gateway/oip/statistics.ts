import type { HostedVersion } from '../models/hosted-version.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';
import { addFigures } from '../siblings/joined-figures.js';

const nothing = { count: 0, ns: 0 };

/**
 * `GET /v2/models[/{m}[/versions/{v}]]/stats`: what each version has answered since this process first loaded it, as
 * Triton's statistics have it. Times are sums over requests, in nanoseconds. A model's own are by major version: Triton's
 * tools know versions as whole numbers alone, and look for the greatest of them.
 */
export function statistics(tables: RoutingTable, of: { model: string | null; version: string | null }): Reply {
  const own = versionsOf(tables, of).map(figures);
  return json(200, { model_stats: of.model !== null && of.version === null ? byMajor(own) : own });
}

function versionsOf(tables: RoutingTable, { model, version }: { model: string | null; version: string | null }): HostedVersion[] {
  if (model === null) return tables.models.flatMap((name) => [...tables.need(name).versions.values()]);
  const table = tables.need(model);
  return version === null ? [...table.versions.values()] : [chooseVersion(table, { version, key: null })];
}

/**
 * Triton counts the parts of a request when it has all of them, and `perf_analyzer` breaks off where the counts differ. The
 * time of what is still at work, or failed on its way, is in the sum already, which so never falls.
 */
function finished(part: typeof nothing, whole: typeof nothing): typeof nothing {
  return { count: whole.count, ns: part.ns };
}

type Figures = ReturnType<typeof figures>;

/** The sums of versions by their major one: `1` of 1.0.0 and 1.0.1. */
function byMajor(all: readonly Figures[]): Figures[] {
  const sums = new Map<string, Figures>();
  for (const one of all) {
    const version = /^(\d+)\./.exec(one.version)?.[1] ?? one.version;
    const sum = sums.get(version);
    sums.set(version, sum === undefined ? { ...one, version } : addFigures(sum, one));
  }
  return [...sums.values()];
}

function figures({ metrics, device, placed }: HostedVersion) {
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
      compute_input: finished(of.computeInput, of.computeOutput),
      compute_infer: finished(of.computeInfer, of.computeOutput),
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
    memory_usage: device === null ? [] : [{ type: 'GPU', id: device.index, byte_size: placed.device!.bytes }],
  };
}
