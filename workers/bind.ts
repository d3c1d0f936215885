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
