import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageDigest } from '../../activities/artifact.activities.js';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import type { OpenDatabase } from '../../adapters/postgres/database.js';
import { changeRoute } from '../../adapters/postgres/serving/route-state.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import type { PackageRef, ServingSpec } from '../../contracts/artifacts.js';
import { addVersion } from '../../test/support/seed-version.js';

/** The models of the benchmark: `bench` with a canary of 5%, and `slow` of about 20 ms a call. */
export const fast = 'bench';
export const slow = 'slow';

export type World = { readonly folder: string; readonly python: string; readonly script: string; readonly home: string };

/** Makes the models, stores and registers them as signed packages, and gives them their routes. */
export async function makeWorld(database: OpenDatabase, world: World): Promise<{ champion: string }> {
  mkdirSync(world.folder, { recursive: true });
  await promisify(execFile)(world.python, [world.script, world.folder]);
  await register(database, world, { model: fast, version: '1.0.0', onnx: 'champion', output: 'variable' });
  await register(database, world, { model: fast, version: '1.0.1', onnx: 'challenger', output: 'variable' });
  await register(database, world, { model: slow, version: '1.0.0', onnx: 'slow', output: 'prediction' });
  const canary = [
    { version: '1.0.0', weight: 0.95 },
    { version: '1.0.1', weight: 0.05 },
  ];
  await route(database, fast, canary);
  await route(database, slow, [{ version: '1.0.0', weight: 1 }]);
  return { champion: join(world.folder, 'champion.onnx') };
}

type Entry = { readonly model: string; readonly version: string; readonly onnx: string; readonly output: string };

async function register({ db }: OpenDatabase, world: World, entry: Entry): Promise<void> {
  await addVersion(db, { model: entry.model, version: entry.version, package: await store(world, entry) });
}

async function store(world: World, { model, version, onnx, output }: Entry): Promise<PackageRef> {
  const objects = await openFileObjectStore(join(world.home, 'objects'));
  const spec: ServingSpec = {
    model,
    request: [],
    features: [],
    eventTimeField: null,
    subject: [],
    onnx: { input: 'features', output },
    output: { name: output },
  };
  const contents = { 'model.onnx': readFileSync(join(world.folder, `${onnx}.onnx`)), 'serving.json': Buffer.from(JSON.stringify(spec)) };
  const files = await Promise.all(
    Object.entries(contents).map(async ([path, bytes]) => {
      const { digest, bytes: size } = await objects.put(bytes, 'application/octet-stream');
      return { path, digest, bytes: size };
    }),
  );
  const { privateKeyPem } = await ensureSigningKey(join(world.home, 'keys'));
  const bundle = await createPackageSigner(privateKeyPem).sign({ name: `${model}-${version}`, files });
  return { digest: packageDigest(files), files, signature: await objects.put(bundle, 'application/vnd.dev.sigstore.bundle.v0.3+json') };
}

async function route({ db }: OpenDatabase, model: string, variants: { version: string; weight: number }[]): Promise<void> {
  const target = { variants, shadow: null, standby: [], salt: 'bench' };
  const change = { model, expected: 0, target, kind: 'step', promotionId: `bench-${model}`, stepIndex: 0, by: 'bench', reason: 'bench' } as const;
  await db.transaction().execute((trx) => changeRoute(trx, change));
}
