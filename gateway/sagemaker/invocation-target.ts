import { invalid } from '../http/request-error.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { roleOf } from '../routing/routing-table.js';
import type { Invocation } from './invocation-headers.js';

/** Who shall answer a call: a model and, when the caller chose one, its version. */
export type Target = { readonly model: string; readonly version: string | null };

/** Name of the endpoint behind which all models of this gateway are one multi-model endpoint. */
export const multiModelEndpoint = 'multi-model';

/**
 * An endpoint is a model, its variants are the model's versions and their parts in the route. On the endpoint
 * `multi-model` the target model (`demand`, `demand/1.0.1`, `demand.tar.gz`) or the inference component says which.
 * Throws a `RequestError` that names what is not there.
 */
export function targetOf(tables: RoutingTable, endpoint: string, invocation: Invocation): Target {
  const { model, version } = modelOf(endpoint, invocation);
  return { model, version: invocation.targetVariant === null ? version : variant(tables, model, invocation.targetVariant) };
}

/** Reads what names a model, and perhaps its version, behind the multi-model endpoint. */
export function modelOfTarget(named: string): Target {
  const [model, version = null, more] = named
    .replace(/^\//, '')
    .replace(/\.tar\.gz$/, '')
    .split('/');
  if (more !== undefined) throw invalid(`TargetModel ${JSON.stringify(named)} is not understood: <model> or <model>/<version> is expected`);
  return { model: model!, version };
}

function modelOf(endpoint: string, { targetModel, component }: Invocation): Target {
  const named = targetModel ?? component;
  if (endpoint === multiModelEndpoint) {
    if (named === null)
      throw invalid(`endpoint ${endpoint} holds many models: say which by TargetModel, such as "demand" or "demand/1.0.1"`);
    return modelOfTarget(named);
  }
  if (named === null) return { model: endpoint, version: null };
  const target = modelOfTarget(named);
  if (target.model === endpoint) return target;
  if (targetModel === null)
    throw invalid(`endpoint ${endpoint} has no inference component ${JSON.stringify(named)}: its only one is "${endpoint}"`);
  throw invalid(
    `endpoint ${endpoint} is no multi-model endpoint: call endpoint ${multiModelEndpoint} with TargetModel ${JSON.stringify(named)}, or choose a version of ${endpoint} by TargetVariant`,
  );
}

function variant(tables: RoutingTable, model: string, wanted: string): string {
  const table = tables.need(model);
  for (const version of table.versions.keys()) if (version === wanted || roleOf(table, version) === wanted) return version;
  const there = [...table.versions.keys()].map((version) => `${roleOf(table, version)} (${version})`);
  throw invalid(
    `there is no variant ${JSON.stringify(wanted.slice(0, 100))}: ${there.join(', ')} ${there.length === 1 ? 'is' : 'are'} there`,
  );
}
