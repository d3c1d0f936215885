import { setTimeout as delay } from 'node:timers/promises';
import { SetUpFailure } from '../failure.mjs';

/** What every workflow of ours is found by in the Web UI and in list queries. */
export const searchAttributes = Object.freeze(['Model', 'ModelVersion', 'Stage', 'Trigger']);

/** A day would kill yesterday's links to runs. */
export const retentionDays = 90;

const KNOWN_MS = 30_000;
const KEYWORD = 2; // temporal.api.enums.v1.IndexedValueType
const NOT_FOUND = 5; // gRPC status codes
const ALREADY_EXISTS = 6;

/**
 * Makes a namespace ready for us: it exists, keeps closed workflows for 90 days, and knows the
 * search attributes. What is there already is left; a wrong type of an attribute is an error.
 * @param {{connection: import('@temporalio/client').Connection, namespace: string, days?: number}} wish `days` of retention; only a new or shorter one is changed
 */
export async function prepareNamespace({ connection, namespace, days = retentionDays }) {
  await ensureNamespace({ connection, namespace, days });
  // The parts of a server hear of a new namespace one after the other, within seconds.
  for (const end = Date.now() + KNOWN_MS; ; await delay(100)) {
    try {
      return await registerSearchAttributes({ connection, namespace });
    } catch (error) {
      if (codeOf(error) !== NOT_FOUND || Date.now() > end) throw error;
    }
  }
}

/**
 * Registers the search attributes that the namespace lacks.
 * @param {{connection: import('@temporalio/client').Connection, namespace: string}} wish
 */
export async function registerSearchAttributes({ connection, namespace }) {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const wrong = searchAttributes.filter((name) => name in customAttributes && customAttributes[name] !== KEYWORD);
  if (wrong.length > 0) {
    throw new SetUpFailure({
      what: `Namespace ${namespace} cannot be used`,
      why: `its search attribute ${wrong.join(', ')} is not of the type Keyword`,
      todo: 'use another namespace (TEMPORAL_NAMESPACE), or remove the attribute there',
    });
  }
  const missing = searchAttributes.filter((name) => !(name in customAttributes));
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
  });
}

/**
 * The command that registers the attributes, for servers where we may not.
 * @param {{executable?: string, address: string, namespace: string}} server
 * @returns {string}
 */
export function searchAttributesCommand({ executable = 'temporal', address, namespace }) {
  const names = searchAttributes.map((name) => `--name ${name} --type Keyword`).join(' ');
  return `${executable} operator search-attribute create --address ${address} --namespace ${namespace} ${names}`;
}

/** @param {{connection: import('@temporalio/client').Connection, namespace: string, days: number}} wish */
async function ensureNamespace({ connection, namespace, days }) {
  const seconds = days * 24 * 3600;
  const workflowExecutionRetentionTtl = { seconds: /** @type {any} */ (seconds) };
  try {
    const { config } = await connection.workflowService.describeNamespace({ namespace });
    if (Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) >= seconds) return;
    await connection.workflowService.updateNamespace({ namespace, config: { workflowExecutionRetentionTtl } });
  } catch (error) {
    if (codeOf(error) !== NOT_FOUND) throw error;
    await connection.workflowService
      .registerNamespace({ namespace, workflowExecutionRetentionPeriod: workflowExecutionRetentionTtl })
      .catch((/** @type {unknown} */ again) => {
        if (codeOf(again) !== ALREADY_EXISTS) throw again;
      });
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {{code?: number}} */ (error).code;
}
