import { readFile } from 'node:fs/promises';
import { PerennialError } from '../domain/errors.js';
import type { GrpcTlsFiles } from './config.js';

/** PEM texts of the files that gRPC over TLS needs. `DataInvalid` names the one that cannot be read. */
export async function readGrpcTlsFiles({ certificate, key, clientAuthority }: GrpcTlsFiles) {
  const text = async (file: string): Promise<string> => {
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw new PerennialError('DataInvalid', `${file} for gRPC over TLS cannot be read: ${(cause as Error).message}`, { cause });
    }
  };
  return {
    certificate: await text(certificate),
    key: await text(key),
    clientAuthority: clientAuthority === null ? null : await text(clientAuthority),
  };
}
