import { join } from 'node:path';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import type { OpenDatabase } from '../../adapters/postgres/database.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import { addVersion } from '../support/seed-version.js';
import { setRoute } from '../support/signed-package.js';
import type { ImportWorld } from './frameworks/import-model.js';

/** Imports end in the objects of `home` and in the registry that the gateway follows. `close` ends the processes of trials. */
export async function openImportWorld(
  { db }: OpenDatabase,
  { home, build }: { home: string; build: string },
): Promise<ImportWorld & { close: () => Promise<void> }> {
  const { privateKeyPem, publicKeyPem } = await ensureSigningKey(join(home, 'keys'));
  const trials = createModelTrials({ program: join(build, 'adapters/onnx/trial-program.js') });
  return {
    objects: await openFileObjectStore(join(home, 'objects')),
    signer: createPackageSigner(privateKeyPem),
    verifier: createPackageVerifier({ trustedKeys: [publicKeyPem] }),
    trials,
    async serve({ model, version, package: pack }) {
      await addVersion(db, { model, version, package: pack });
      await setRoute(db, { model, variants: [{ version, weight: 1 }], by: 'conformance' });
    },
    close: () => trials.close(),
  };
}
