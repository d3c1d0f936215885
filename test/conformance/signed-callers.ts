import { changeGatewayKeys } from '../../adapters/keys/gateway-key-file.js';
import { makeAwsKey } from '../../adapters/keys/gateway-key.js';
import { revokedKey } from '../../contracts/gateway-keys.js';
import type { SignedCallers } from './suites.js';

/** Gives an open gateway keys, by the file that it follows; resolves when nobody is answered without one. */
export async function wantSignatures(keyFile: string, url: string): Promise<SignedCallers> {
  const nowMs = Date.now();
  const of = { role: 'predict', models: null, requestsPerSecond: null, expiresAtMs: null } as const;
  const good = makeAwsKey({ ...of, name: 'good' }, nowMs);
  const other = makeAwsKey({ ...of, name: 'other', models: ['other'] }, nowMs);
  const revoked = makeAwsKey({ ...of, name: 'revoked' }, nowMs);
  await changeGatewayKeys(keyFile, () => [good.key, other.key, revokedKey(revoked.key, nowMs)]);
  for (;;) {
    const answer = await fetch(`${url}/v2/models`);
    await answer.arrayBuffer();
    if (answer.status === 401) return { good: good.pair, other: other.pair, revoked: revoked.pair };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
