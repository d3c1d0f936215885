import { readFileSync } from 'node:fs';
import { PerennialError } from '../../domain/errors.js';

/** Where the parts of a running stack are; what `up` wrote to `endpoints.json`. */
export type Endpoints = {
  readonly temporalAddress?: string;
  readonly temporalNamespace?: string;
  readonly temporalUi?: string;
  readonly api?: string;
  readonly gateway?: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** What the file says, with variables on top; empty when there is neither. `DataInvalid` for a file that is no JSON. */
export function readEndpoints(file: string, env: Environment): Endpoints {
  const given: Record<keyof Endpoints, string | undefined> = {
    temporalAddress: env['TEMPORAL_ADDRESS'],
    temporalNamespace: env['TEMPORAL_NAMESPACE'],
    temporalUi: env['PERENNIAL_TEMPORAL_UI'],
    api: env['PERENNIAL_API_URL'],
    gateway: env['PERENNIAL_GATEWAY_URL'],
  };
  const variables = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== ''));
  return { ...readFile(file), ...variables };
}

const variableOf: Readonly<Record<keyof Endpoints, string>> = {
  temporalAddress: 'TEMPORAL_ADDRESS',
  temporalNamespace: 'TEMPORAL_NAMESPACE',
  temporalUi: 'PERENNIAL_TEMPORAL_UI',
  api: 'PERENNIAL_API_URL',
  gateway: 'PERENNIAL_GATEWAY_URL',
};
const nameOf: Readonly<Record<keyof Endpoints, string>> = {
  temporalAddress: 'the Temporal server',
  temporalNamespace: 'the Temporal namespace',
  temporalUi: 'the Temporal Web UI',
  api: 'the control API',
  gateway: 'the gateway',
};

/** An endpoint that a verb cannot do without; `Unavailable` says how to get it. */
export function needEndpoint(endpoints: Endpoints, name: keyof Endpoints, file: string): string {
  const value = endpoints[name];
  if (value !== undefined) return value;
  throw new PerennialError(
    'Unavailable',
    `It is not known where ${nameOf[name]} is: ${file} does not say. Start the stack with ./perennial up, or set ${variableOf[name]}.`,
    { details: { endpoint: name } },
  );
}

function readFile(file: string): Endpoints {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    return JSON.parse(text) as Endpoints;
  } catch (cause) {
    throw new PerennialError('DataInvalid', `${file} is no JSON: ${String(cause)}. Remove it; ./perennial up writes it again.`, { cause });
  }
}
