import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import { signingPublicKey } from '../../adapters/signing/key-hint.js';
import { temporaryFolder } from '../objects/temporary-folder.js';
import { contents, filesOf, newKey, referenceSigns, referenceVerifies, writeFolder } from './reference.js';

let folder: string;
let at: { folder: string; signature: string; publicKey: string; privateKey: string };
const key = newKey();

beforeEach(() => {
  folder = temporaryFolder();
  at = {
    folder: join(folder, 'demo'),
    signature: join(folder, 'demo.sig'),
    publicKey: join(folder, 'key.pub'),
    privateKey: join(folder, 'key.pem'),
  };
  writeFolder(at.folder, contents);
  writeFileSync(at.publicKey, key.publicKeyPem);
  writeFileSync(at.privateKey, key.privateKeyPem);
});

describe('what we sign, the reference implementation', () => {
  beforeEach(async () => {
    writeFileSync(at.signature, await createPackageSigner(key.privateKeyPem).sign({ name: 'demo', files: filesOf(contents) }));
  });

  test('verifies', () => {
    expect(referenceVerifies(at)).toMatchObject({ ok: true });
  });

  test('refuses with another key, a changed, a renamed and an extra file', () => {
    const other = join(folder, 'other.pub');
    writeFileSync(other, newKey().publicKeyPem);
    expect(referenceVerifies({ ...at, publicKey: other })).toMatchObject({ ok: false, said: expect.stringContaining('Key mismatch') });
    writeFileSync(join(at.folder, 'model.onnx'), 'Onnx bytes');
    expect(referenceVerifies(at)).toMatchObject({ ok: false, said: expect.stringContaining("Hash mismatch for 'model.onnx'") });
    writeFileSync(join(at.folder, 'model.onnx'), contents['model.onnx'] ?? '');
    renameSync(join(at.folder, 'manifest.json'), join(at.folder, 'manifest2.json'));
    expect(referenceVerifies(at)).toMatchObject({ ok: false });
    rmSync(join(at.folder, 'manifest2.json'));
    writeFolder(at.folder, { 'manifest.json': '{}', 'extra.txt': 'x' });
    expect(referenceVerifies(at)).toMatchObject({ ok: false, said: expect.stringContaining('Extra files') });
  });
});

describe('what the reference implementation signs, we', () => {
  const verifier = createPackageVerifier({ trustedKeys: [key.publicKeyPem] });
  const git = ['.git', '.gitattributes', '.github', '.gitignore'];

  test('verify, and name the same key', async () => {
    const signature = referenceSigns({ ...at, to: at.signature, git: false });
    const { keyId } = signingPublicKey(key.publicKeyPem);
    expect(await verifier.verify({ files: filesOf(contents), signature })).toEqual({ keyId, name: 'demo' });
  });

  test('refuse when it left out paths that we did not allow', async () => {
    const signature = referenceSigns({ ...at, to: at.signature, git: true });
    await expect(verifier.verify({ files: filesOf(contents), signature })).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringContaining('ignore_paths'),
    });
    const lenient = createPackageVerifier({ trustedKeys: [key.publicKeyPem], ignorePaths: git });
    expect(await lenient.verify({ files: filesOf(contents), signature })).toMatchObject({ name: 'demo' });
  });

  test('digest to the same statement', async () => {
    const payloadOf = (bundle: Uint8Array): unknown =>
      JSON.parse(Buffer.from(JSON.parse(Buffer.from(bundle).toString()).dsseEnvelope.payload, 'base64').toString());
    const ours = await createPackageSigner(key.privateKeyPem).sign({ name: 'demo', files: filesOf(contents) });
    expect(payloadOf(ours)).toEqual(payloadOf(referenceSigns({ ...at, to: at.signature, git: false })));
  });
});
