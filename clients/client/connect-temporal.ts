import { Client, type ClientOptions, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { PerennialError } from '../../domain/errors.js';

export type TemporalPlace = {
  /** host:port of the gRPC frontend. */
  readonly address: string;
  readonly namespace: string;
  /** Variables of the process: a profile, TLS or an API key among them (TEMPORAL_PROFILE, TEMPORAL_TLS_…) is used. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly plugins?: ClientOptions['plugins'];
};

export type TemporalConnection = { readonly client: Client; close(): Promise<void> };

/** Only these ask for the settings of a profile; a profile that lies about must not reach into a local stack. */
const securityVariable = /^TEMPORAL_(PROFILE|CONFIG_FILE|API_KEY|TLS.*|GRPC_META_.*)$/;
const answerWithinMs = 5_000;

/** Connects to Temporal; `Unavailable` with the way out when nothing answers there. */
export async function connectTemporal({ address, namespace, env = {}, plugins }: TemporalPlace): Promise<TemporalConnection> {
  try {
    const connection = await Connection.connect({ ...secured(env), address, connectTimeout: answerWithinMs });
    const client = new Client({ connection, namespace, ...(plugins === undefined ? {} : { plugins }) });
    return { client, close: () => connection.close() };
  } catch (error) {
    throw new PerennialError(
      'Unavailable',
      `No Temporal server answers at ${address}: ${error instanceof Error ? error.message : String(error)}. Start the stack with ./perennial up, or set TEMPORAL_ADDRESS to a running server.`,
      { details: { address, namespace }, cause: error },
    );
  }
}

function secured(env: NonNullable<TemporalPlace['env']>) {
  const given = Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  if (!Object.keys(given).some((name) => securityVariable.test(name))) return {};
  return loadClientConnectConfig({ overrideEnvVars: given }).connectionOptions;
}
