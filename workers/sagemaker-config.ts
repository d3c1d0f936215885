import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Device } from '../domain/devices.js';
import { PerennialError } from '../domain/errors.js';
import type { Environment } from './config.js';
import { readDevices, readDriverVariables } from './gateway-devices.js';

/** What the gateway reads from its environment when it runs inside SageMaker. */
export type SageMakerConfig = {
  readonly host: string;
  readonly port: number;
  /** Folder of the one model, or, for many models, the folder below which SageMaker puts them. */
  readonly modelFolder: string;
  readonly many: boolean;
  /** PEM texts of the keys whose package signatures count. */
  readonly trustedKeys: readonly string[];
  /** Takes packages without a signature. Said on purpose, never by default. */
  readonly unsigned: boolean;
  readonly workFolder: string;
  readonly memoryBytes: number | null;
  readonly devices: readonly Device[];
  readonly driverVariables: Readonly<Record<string, string>>;
};

/**
 * Reads the environment that SageMaker gives its containers, and ours. Trusted keys are the PEM text in
 * PERENNIAL_TRUSTED_KEY, or the `.pem` files in PERENNIAL_TRUSTED_KEYS_FOLDER (by default `trusted-keys` beside the folder
 * of the model).
 * @throws PerennialError `DataInvalid` naming the variable, what was expected and what was found
 */
export function readSageMakerConfig(env: Environment): SageMakerConfig {
  const many = env['SAGEMAKER_MULTI_MODEL'] === 'true';
  const modelFolder = env['PERENNIAL_MODEL_FOLDER'] ?? (many ? '/opt/ml/models' : '/opt/ml/model');
  const unsigned = env['PERENNIAL_ALLOW_UNSIGNED'] === '1';
  const trustedKeys = keysOf(env, join(dirname(modelFolder), 'trusted-keys'));
  if (trustedKeys.length === 0 && !unsigned)
    throw new PerennialError(
      'DataInvalid',
      'no key is trusted: set PERENNIAL_TRUSTED_KEY to the PEM text of the public key that signs your packages, or PERENNIAL_ALLOW_UNSIGNED=1 to serve without',
    );
  const port = Number(env['SAGEMAKER_BIND_TO_PORT'] ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new PerennialError('DataInvalid', `SAGEMAKER_BIND_TO_PORT=${env['SAGEMAKER_BIND_TO_PORT']}: expected a port from 0 to 65535`);
  const memory = env['PERENNIAL_GATEWAY_MEMORY'];
  if (memory !== undefined && !/^[1-9]\d{0,15}$/.test(memory))
    throw new PerennialError('DataInvalid', `PERENNIAL_GATEWAY_MEMORY=${memory}: expected a number of bytes`);
  return {
    // SageMaker alone reaches a container's ports.
    host: env['PERENNIAL_BIND'] ?? '0.0.0.0',
    port,
    modelFolder,
    many,
    trustedKeys,
    unsigned,
    workFolder: env['PERENNIAL_HOME'] ?? '/tmp/perennial',
    memoryBytes: memory === undefined ? null : Number(memory),
    devices: readDevices(env),
    driverVariables: readDriverVariables(env),
  };
}

function keysOf(env: Environment, beside: string): string[] {
  const text = env['PERENNIAL_TRUSTED_KEY'];
  // A variable holds no line breaks everywhere: a PEM text may have "\n" in their place.
  if (text !== undefined) return [text.replaceAll('\\n', '\n')];
  const folder = env['PERENNIAL_TRUSTED_KEYS_FOLDER'] ?? beside;
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.pem'));
  } catch (cause) {
    if (env['PERENNIAL_TRUSTED_KEYS_FOLDER'] !== undefined)
      throw new PerennialError('DataInvalid', `PERENNIAL_TRUSTED_KEYS_FOLDER=${folder} cannot be read: ${(cause as Error).message}`, {
        cause,
      });
  }
  return names.sort().map((name) => readFileSync(join(folder, name), 'utf8'));
}
