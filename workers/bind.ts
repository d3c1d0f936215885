import { loadGatewayKeys } from '../adapters/keys/gateway-key-file.js';
import { isActiveKey } from '../contracts/gateway-keys.js';
import { PerennialError } from '../domain/errors.js';
import type { Config } from './config.js';

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Beyond loopback every caller must show a token, and it must have been chosen on purpose. */
export function refuseOpenBind({ bind, token }: Pick<Config, 'bind' | 'token'>): void {
  if (isLoopback(bind) || token !== null) return;
  throw new PerennialError(
    'Unavailable',
    `PERENNIAL_BIND=${bind} opens this process to others: set PERENNIAL_TOKEN to a secret of your own, or bind to 127.0.0.1`,
    {
      retryable: false,
    },
  );
}

/** Beyond loopback the gateway wants callers whom it can know: by a token, by keys, or by an issuer of tokens. */
export async function refuseOpenGateway(config: Pick<Config, 'bind' | 'token' | 'gatewayKeysFile' | 'tokenIssuer'>): Promise<void> {
  if (isLoopback(config.bind) || config.token !== null || config.tokenIssuer !== null) return;
  const keys = await loadGatewayKeys(config.gatewayKeysFile);
  if (keys.some((key) => isActiveKey(key, Date.now()))) return;
  throw new PerennialError(
    'Unavailable',
    `PERENNIAL_BIND=${config.bind} opens this gateway to others: make a key with ./perennial keys create, set PERENNIAL_TOKEN or PERENNIAL_JWT_JWKS, or bind to 127.0.0.1`,
    { retryable: false },
  );
}
