import { createPrivateKey, sign } from 'node:crypto';
import type { PackageSigner } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';
import { objectKey } from '../objects/digest.js';
import { writeBundle } from './bundle.js';
import { signingPublicKey } from './key-hint.js';
import { assertPackagePath } from './package-path.js';
import { preAuthenticationEncoding, statementOf } from './statement.js';

/**
 * Signs packages with an ECDSA P-256 private key (PEM text) in the format of OpenSSF model signing v1.0.
 * @throws PerennialError `ArtifactRejected` for another kind of key, and from `sign` for a package without files, with a
 *   file named twice, or with a name or digest that is none
 */
export function createPackageSigner(privateKeyPem: string): PackageSigner {
  const { keyId } = signingPublicKey(privateKeyPem);
  const key = createPrivateKey(privateKeyPem);
  return {
    async sign({ name, files }) {
      if (name === '') throw new PerennialError('ArtifactRejected', 'A package without a name cannot be signed. Name its model.');
      if (files.length === 0)
        throw new PerennialError('ArtifactRejected', `Package ${name} has no files to sign. Package the model first.`);
      const seen = new Set<string>();
      for (const { path, digest } of files) {
        assertPackagePath(path);
        objectKey(digest);
        if (seen.has(path)) throw new PerennialError('ArtifactRejected', `Package ${name} names ${path} twice. Name every file once.`);
        seen.add(path);
      }
      const payload = Buffer.from(canonicalJson(statementOf(name, files)));
      return writeBundle({ payload, signature: sign('sha256', preAuthenticationEncoding(payload), key), keyHint: keyId });
    },
  };
}
