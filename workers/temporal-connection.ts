import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection } from '@temporalio/worker';
import { PerennialError } from '../domain/errors.js';
import type { Config } from './config.js';
import type { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';

/** Connection settings (TLS, API key, profile) as every Temporal tool reads them; the address is ours when nothing else is set. */
function connectOptions(config: Config) {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  return {
    connection: { ...connectionOptions, address: connectionOptions.address ?? config.temporal.address },
    namespace: namespace ?? config.temporal.namespace,
  };
}

export async function connectWorker(config: Config): Promise<{ connection: NativeConnection; namespace: string }> {
  const { connection, namespace } = connectOptions(config);
  return { connection: await reached(config, () => NativeConnection.connect(connection)), namespace };
}

export async function connectClient(config: Config, plugin: OpenTelemetryPlugin): Promise<{ client: Client; close: () => Promise<void> }> {
  const options = connectOptions(config);
  const connection = await reached(config, () => Connection.connect(options.connection));
  return { client: new Client({ connection, namespace: options.namespace, plugins: [plugin] }), close: () => connection.close() };
}

async function reached<T>(config: Config, connect: () => Promise<T>): Promise<T> {
  try {
    return await connect();
  } catch (error) {
    throw new PerennialError(
      'Unavailable',
      `no Temporal server answers at ${config.temporal.address}: ${error instanceof Error ? error.message : String(error)}. Start one with \`./perennial up\`, or set TEMPORAL_ADDRESS.`,
      { cause: error },
    );
  }
}
