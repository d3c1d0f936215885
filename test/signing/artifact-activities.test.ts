import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createArtifactActivities, packageDigest } from '../../activities/artifact.activities.js';
import type { ObjectStore } from '../../activities/ports.js';
import type { PackageRef } from '../../contracts/artifacts.js';
import { objectKey } from '../../adapters/objects/digest.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import { temporaryFolder } from '../objects/temporary-folder.js';
import { newKey } from './reference.js';

const key = newKey();
const context = { model: 'demo', run: 'r1', useCache: true };
let folder: string;
let objects: ObjectStore;
let registry: Map<string, PackageRef>;
let activities: ReturnType<typeof createArtifactActivities>;

beforeEach(async () => {
  folder = temporaryFolder();
  objects = await openFileObjectStore(folder);
  registry = new Map();
  activities = createArtifactActivities({
    objects,
    signer: createPackageSigner(key.privateKeyPem),
    verifier: createPackageVerifier({ trustedKeys: [key.publicKeyPem] }),
    packageOf: async (model, version) => registry.get(`${model} ${version}`) ?? { digest: '', files: [] },
  });
});

async function packageOf(model: string): Promise<PackageRef> {
  const contents = { 'manifest.json': '{}', 'model.onnx': 'the model', 'model.txt': 'native', 'serving.json': JSON.stringify({ model }) };
  const files = await Promise.all(
    Object.entries(contents).map(async ([path, text]) => {
      const { digest, bytes } = await objects.put(Buffer.from(text), 'application/octet-stream');
      return { path, digest, bytes };
    }),
  );
  return { digest: packageDigest(files), files };
}

async function signedAs(model: string): Promise<PackageRef> {
  const signed = await activities.signPackage({ ...context, model, package: await packageOf(model), name: `${model}-r1` });
  registry.set(`${model} 1.0.0`, signed);
  return signed;
}

const flip = (digest: string): void => {
  const path = join(folder, objectKey(digest));
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
};
const promotion = (): Promise<{ digest: string }> => activities.verifyPackage({ model: 'demo', version: '1.0.0' });

test('a package is signed, its signature stored as an object, and promotion verifies it', async () => {
  const signed = await signedAs('demo');
  expect(await objects.has(signed.signature?.digest ?? '')).toBe(true);
  expect(await promotion()).toEqual({ digest: signed.digest });
});

describe('promotion refuses', () => {
  test('one flipped byte in any file and in the signature, by name', async () => {
    const signed = await signedAs('demo');
    for (const { path, digest } of signed.files) {
      flip(digest);
      await expect(promotion()).rejects.toMatchObject({
        type: 'ArtifactRejected',
        message: expect.stringContaining(`File ${path}`),
        details: { path },
      });
      flip(digest);
      await promotion();
    }
    flip(signed.signature?.digest ?? '');
    await expect(promotion()).rejects.toMatchObject({ type: 'ArtifactRejected' });
  });

  test('an absent file', async () => {
    const signed = await signedAs('demo');
    rmSync(join(folder, objectKey(signed.files[0]?.digest ?? '')), { force: true });
    await expect(promotion()).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining('File manifest.json') });
  });

  test('files that the registry was made to name instead', async () => {
    const signed = await signedAs('demo');
    const other = await objects.put(Buffer.from('other model'), 'application/octet-stream');
    const files = signed.files.map((file) => (file.path === 'model.onnx' ? { ...file, digest: other.digest, bytes: other.bytes } : file));
    registry.set('demo 1.0.0', { ...signed, files });
    await expect(promotion()).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringContaining('The package calls itself'),
    });
    registry.set('demo 1.0.0', { ...signed, files, digest: packageDigest(files) });
    await expect(promotion()).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringContaining('File model.onnx has the digest'),
    });
  });

  test('an unsigned package, and the well-signed package of another model', async () => {
    registry.set('demo 1.0.0', await packageOf('demo'));
    await expect(promotion()).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining('was never signed') });
    registry.set('demo 1.0.0', await signedAs('demo-two'));
    await expect(promotion()).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining('another model') });
  });
});

test('a damaged file is not signed', async () => {
  const unsigned = await packageOf('demo');
  flip(unsigned.files[1]?.digest ?? '');
  await expect(activities.signPackage({ ...context, package: unsigned, name: 'demo' })).rejects.toMatchObject({
    type: 'ArtifactRejected',
    message: expect.stringContaining('File model.onnx'),
  });
});
