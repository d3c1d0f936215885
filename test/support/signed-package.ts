import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { packageDigest } from '../../activities/artifact.activities.js';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import type { Database } from '../../adapters/postgres/database.js';
import { changeRoute } from '../../adapters/postgres/serving/route-state.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import type { PackageRef, ServingSpec } from '../../contracts/artifacts.js';

/** `serving.json` of a model that is fed the request's own tensors. */
export function passThrough({ model, input, output }: { model: string; input: string; output: string }): ServingSpec {
  return { model, request: [], features: [], eventTimeField: null, subject: [], onnx: { input, output }, output: { name: output } };
}

/** Stores a package in the home's objects, signed by the home's key. */
export async function storePackage(
  home: string,
  { name, files: contents }: { name: string; files: Readonly<Record<string, Uint8Array>> },
): Promise<PackageRef> {
  const objects = await openFileObjectStore(join(home, 'objects'));
  const files = await Promise.all(
    Object.entries(contents).map(async ([path, bytes]) => {
      const { digest, bytes: size } = await objects.put(bytes, 'application/octet-stream');
      return { path, digest, bytes: size };
    }),
  );
  const { privateKeyPem } = await ensureSigningKey(join(home, 'keys'));
  const bundle = await createPackageSigner(privateKeyPem).sign({ name, files });
  return { digest: packageDigest(files), files, signature: await objects.put(bundle, 'application/vnd.dev.sigstore.bundle.v0.3+json') };
}

/** Gives a model its first route. */
export async function setRoute(
  db: Kysely<Database>,
  route: { model: string; variants: readonly { version: string; weight: number }[]; by: string },
): Promise<void> {
  const { model, variants, by } = route;
  const target = { variants: [...variants], shadow: null, standby: [], salt: by };
  const change = { model, expected: 0, target, kind: 'step', promotionId: `${by}-${model}`, stepIndex: 0, by, reason: by } as const;
  await db.transaction().execute((trx) => changeRoute(trx, change));
}
