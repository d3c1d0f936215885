import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import { RequestError } from '../http/request-error.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion, roleOf } from '../routing/routing-table.js';

/** Version of the gateway as the protocol's server metadata tells it. */
const gatewayVersion = '0.1.0';

/** The protocol's extensions that are here, by the names that clients look for. */
const extensions = [
  'binary_tensor_data',
  'classification',
  'model_configuration',
  'model_repository',
  'schedule_policy',
  'statistics',
  'parameters',
  'logging',
];

/** `GET /v2`. */
export function serverMetadata({ traced }: { readonly traced: boolean }): Reply {
  return json(200, { name: 'perennial', version: gatewayVersion, extensions: traced ? [...extensions, 'trace'] : extensions });
}

/** `GET /v2/health/ready`: whether every model that has a route can be answered. */
export function readiness(ready: boolean): Reply {
  return json(ready ? 200 : 503, { ready, live: true });
}

/** `GET /v2/models`. */
export function modelList(tables: RoutingTable): Reply {
  return json(200, { models: tables.models });
}

/** `GET /v2/models/{m}[/versions/{v}]`: without a version, the champion's signature and the versions that are loaded. */
export function modelMetadata(tables: RoutingTable, of: { model: string; version: string | null }): Reply {
  const table = tables.need(of.model);
  const { plan } = chooseVersion(table, { version: of.version ?? table.champion?.version ?? null, key: null });
  return json(200, {
    name: of.model,
    versions: of.version === null ? [...table.versions.keys()] : [of.version],
    platform: 'onnx_onnxv1',
    inputs: plan.inputs,
    outputs: plan.outputs,
  });
}

/** `GET /v2/models/{m}[/versions/{v}]/ready`. */
export function modelReadiness(tables: RoutingTable, of: { model: string; version: string | null }): Reply {
  try {
    const table = tables.need(of.model);
    const { state, reason } = chooseVersion(table, { version: of.version ?? table.champion?.version ?? null, key: null });
    // One that only its first request loads can be asked.
    if (state === 'held') return json(503, { name: of.model, ready: false, error: reason });
    return json(200, { name: of.model, ready: true });
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    return json(503, { name: of.model, ready: false, error: error.message });
  }
}

/** Milliseconds without the digits that say nothing: the clock has none below a nanosecond. */
const toNanoseconds = (ms: number): number => Number(ms.toFixed(6));

/** `GET /v2/models/{m}/route`: how its traffic goes here, now. */
export function modelRoute(tables: RoutingTable, model: string): Reply {
  const { route, versions } = tables.need(model);
  const loaded = [...versions.values()].map(
    ({ version, placement, engine, runMs, cost, spec, placed, device, resident, state, reason, digest }) => ({
      version,
      role: roleOf(tables.need(model), version),
      state,
      ...(reason === '' ? {} : { reason }),
      placement,
      ...(spec.accelerator === undefined ? {} : { device: resident ? (device?.name ?? 'cpu') : null }),
      engine,
      because: placed.because,
      threads: placed.threads,
      run_ms: toNanoseconds(runMs),
      row_ms: toNanoseconds(cost.rowMs),
      load_ms: toNanoseconds(cost.loadMs),
      memory_bytes: placed.bytes,
      peak_memory_bytes: cost.peakBytes,
      digest,
    }),
  );
  return json(200, { model, generation: route.generation, variants: route.variants, shadow: route.shadow, standby: route.standby, loaded });
}
