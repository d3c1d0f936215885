import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PackageFile } from '../../contracts/artifacts.js';
import { digestOf } from '../../adapters/objects/digest.js';
import { writeBundle } from '../../adapters/signing/bundle.js';
import { signingPublicKey } from '../../adapters/signing/key-hint.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import { preAuthenticationEncoding, statementOf } from '../../adapters/signing/statement.js';
import { contents, filesOf, newKey } from './reference.js';

const key = newKey();
const { keyId } = signingPublicKey(key.publicKeyPem);
const signer = createPackageSigner(key.privateKeyPem);
const verifier = createPackageVerifier({ trustedKeys: [key.publicKeyPem] });
const files = filesOf(contents);
let signature: Uint8Array;

beforeAll(async () => {
  signature = await signer.sign({ name: 'demo', files });
});

/** A bundle by the trusted key over any statement, as an intruder with the key or a faulty signer would make. */
function signed(statement: unknown): Uint8Array {
  const payload = Buffer.from(JSON.stringify(statement));
  return writeBundle({
    payload,
    signature: sign('sha256', preAuthenticationEncoding(payload), createPrivateKey(key.privateKeyPem)),
    keyHint: keyId,
  });
}
const bundleWith = (change: (bundle: ReturnType<typeof JSON.parse>) => void): Uint8Array => {
  const bundle = JSON.parse(Buffer.from(signature).toString());
  change(bundle);
  return Buffer.from(JSON.stringify(bundle));
};
const refusal = (message: string | RegExp) => ({
  type: 'ArtifactRejected',
  message: message instanceof RegExp ? expect.stringMatching(message) : expect.stringContaining(message),
});

test('a signed package verifies, in any order of its files', async () => {
  expect(await verifier.verify({ files, signature })).toEqual({ keyId, name: 'demo' });
  expect(await verifier.verify({ files: files.toReversed(), signature })).toEqual({ keyId, name: 'demo' });
});

describe('refused by name is', () => {
  test('a changed file, whichever it is', async () => {
    for (const changed of files) {
      const flipped = files.map((file) =>
        file === changed ? { ...file, digest: digestOf(Buffer.from(`${contents[file.path]}x`)) } : file,
      );
      await expect(verifier.verify({ files: flipped, signature })).rejects.toMatchObject(refusal(`File ${changed.path} has the digest`));
    }
  });

  test('a renamed file, also when the root digest stays', async () => {
    for (const renamed of files) {
      const path = `${renamed.path}0`;
      const others = files.map((file) => (file === renamed ? { ...file, path } : file));
      expect(statementOf('demo', others).subject[0].digest).toBeDefined();
      await expect(verifier.verify({ files: others, signature })).rejects.toMatchObject(
        refusal(`File ${path} was signed under the name ${renamed.path}`),
      );
    }
    const kept = files.map((file) => (file.path === 'serving.json' ? { ...file, path: 'serving.json5' } : file));
    expect(statementOf('demo', kept).subject).toEqual(statementOf('demo', files).subject);
  });

  test('two files that changed places', async () => {
    const swapped = files.map((file, at) => ({ ...file, digest: files[at === 0 ? 1 : at === 1 ? 0 : at]?.digest ?? '' }));
    await expect(verifier.verify({ files: swapped, signature })).rejects.toMatchObject(refusal('File serving.json has the digest'));
  });

  test('an extra, a missing and a doubled file', async () => {
    const extra: PackageFile = { path: 'extra.bin', digest: digestOf(Buffer.from('extra')), bytes: 5 };
    await expect(verifier.verify({ files: [...files, extra], signature })).rejects.toMatchObject(refusal('File extra.bin was not signed'));
    await expect(verifier.verify({ files: files.slice(1), signature })).rejects.toMatchObject(
      refusal('File serving.json was signed, but the package lacks it'),
    );
    await expect(verifier.verify({ files: [...files, ...files.slice(0, 1)], signature })).rejects.toMatchObject(
      refusal('names serving.json twice'),
    );
    await expect(verifier.verify({ files: [], signature })).rejects.toMatchObject(refusal('was signed, but the package lacks it'));
  });

  test('a signature by a key that is not trusted, and one that only claims a trusted key', async () => {
    const other = newKey();
    const theirs = await createPackageSigner(other.privateKeyPem).sign({ name: 'demo', files });
    await expect(verifier.verify({ files, signature: theirs })).rejects.toMatchObject(
      refusal(/signed by key [0-9a-f]{64}, which is not trusted/),
    );
    const claimed = JSON.parse(Buffer.from(theirs).toString());
    claimed.verificationMaterial.publicKey.hint = keyId;
    await expect(verifier.verify({ files, signature: Buffer.from(JSON.stringify(claimed)) })).rejects.toMatchObject(
      refusal('does not fit what it signs'),
    );
    const both = createPackageVerifier({ trustedKeys: [key.publicKeyPem, other.publicKeyPem] });
    expect(await both.verify({ files, signature: theirs })).toMatchObject({ keyId: signingPublicKey(other.publicKeyPem).keyId });
  });
});

test('every flipped bit of a bundle is refused', { timeout: 60_000 }, async () => {
  const missed: number[] = [];
  for (let at = 0; at < signature.length; at += 1) {
    const flipped = Buffer.from(signature);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
    const text = flipped.toString();
    const verdict = await verifier.verify({ files, signature: flipped }).then(
      () => 'passed',
      (error: { type?: string }) => error.type,
    );
    if (verdict === 'ArtifactRejected') continue;
    // Two members are not part of what is vouched for: the log entries (there are none) and the empty key id.
    const { tlogEntries, ...rest } = JSON.parse(text).verificationMaterial;
    void rest;
    if (verdict === 'passed' && (tlogEntries === undefined || JSON.parse(text).dsseEnvelope.signatures[0].keyid === undefined)) continue;
    missed.push(at);
  }
  expect(missed).toEqual([]);
});

test('no bytes make the verifier do anything but refuse', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      async (bytes) => {
        await expect(verifier.verify({ files, signature: bytes })).rejects.toMatchObject({ type: 'ArtifactRejected' });
      },
    ),
  );
});

describe('of what the trusted key signed, refused is', () => {
  const statement = () => structuredClone(statementOf('demo', files)) as ReturnType<typeof JSON.parse>;
  const cases: Record<string, [change: (it: ReturnType<typeof JSON.parse>) => void, message: string | RegExp]> = {
    'another predicate': [(it) => (it.predicateType = 'https://model_signing/Digests/v0.1'), 'at predicateType'],
    'another statement type': [(it) => (it._type = 'https://in-toto.io/Statement/v0.1'), 'at _type'],
    'paths left out': [(it) => (it.predicate.serialization.ignore_paths = ['model.onnx']), 'left out "model.onnx"'],
    'allowed symbolic links': [(it) => (it.predicate.serialization.allow_symlinks = true), 'allow_symlinks'],
    'shards instead of files': [(it) => (it.predicate.serialization.method = 'shards'), 'serialization.method'],
    'an unknown way of digesting': [(it) => (it.predicate.serialization.salt = 'x'), 'salt'],
    'another hash': [(it) => (it.predicate.resources[0].algorithm = 'md5'), 'resources.0.algorithm'],
    'a root digest of other files': [(it) => (it.subject[0].digest.sha256 = createHash('sha256').digest('hex')), 'contradicts itself'],
    'two subjects': [(it) => it.subject.push(it.subject[0]), 'at subject'],
    'a name that leaves the folder': [(it) => (it.predicate.resources[0].name = '../model.onnx'), 'no name for a file'],
    'no files': [(it) => (it.predicate.resources = []), 'predicate.resources'],
  };
  test.each(Object.entries(cases))('%s', async (_, [change, message]) => {
    const changed = statement();
    change(changed);
    await expect(verifier.verify({ files, signature: signed(changed) })).rejects.toMatchObject(refusal(message));
  });

  test('nothing, when only members of the predicate that v1.0 ignores are added', async () => {
    const changed = statement();
    changed.predicate.note = 'later versions may';
    expect(await verifier.verify({ files, signature: signed(changed) })).toMatchObject({ name: 'demo' });
  });
});

describe('of bundles, refused is', () => {
  const cases: Record<string, [change: (it: ReturnType<typeof JSON.parse>) => void, message: string]> = {
    'another media type': [(it) => (it.mediaType = 'application/vnd.dev.sigstore.bundle.v0.2+json'), 'at mediaType'],
    'another payload type': [(it) => (it.dsseEnvelope.payloadType = 'text/plain'), 'payloadType'],
    'no key hint': [(it) => (it.verificationMaterial.publicKey = {}), 'hint'],
    'no signature': [(it) => (it.dsseEnvelope.signatures = []), 'signatures'],
    'two signatures': [(it) => it.dsseEnvelope.signatures.push(it.dsseEnvelope.signatures[0]), 'signatures'],
    'a second spelling of the signature': [(it) => (it.dsseEnvelope.signatures[0].sig += '\n'), 'base64'],
  };
  test.each(Object.entries(cases))('%s', async (_, [change, message]) => {
    await expect(verifier.verify({ files, signature: bundleWith(change) })).rejects.toMatchObject(refusal(message));
  });
});

describe('not signed is', () => {
  const at = (path: string): PackageFile => ({ path, digest: digestOf(Buffer.from('x')), bytes: 1 });
  test.each(['', '/etc/passwd', '../x', 'a/../b', 'a//b', './a', 'a\\b', 'c:x', 'a\u0000b', 'model\u202Exnno.txt', 'a\nb', 'A\u0308'])(
    'a file called %j',
    async (path) => {
      await expect(signer.sign({ name: 'demo', files: [at(path)] })).rejects.toMatchObject(refusal('no name for a file'));
    },
  );

  test('a package without a name, without files, with a file twice, or with a digest that is none', async () => {
    await expect(signer.sign({ name: '', files })).rejects.toMatchObject(refusal('without a name'));
    await expect(signer.sign({ name: 'demo', files: [] })).rejects.toMatchObject(refusal('no files'));
    await expect(signer.sign({ name: 'demo', files: [at('a'), at('a')] })).rejects.toMatchObject(refusal('a twice'));
    await expect(signer.sign({ name: 'demo', files: [{ ...at('a'), digest: 'sha256:no' }] })).rejects.toMatchObject(
      refusal('not an object digest'),
    );
  });
});

test('keys are ECDSA on P-256 and nothing else', () => {
  const pem = (pair: ReturnType<typeof newKeyObject>) => pair.export({ type: 'spki', format: 'pem' }).toString();
  const newKeyObject = (curve: string) => generateKeyPairSync('ec', { namedCurve: curve }).publicKey;
  const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  for (const other of [pem(newKeyObject('secp384r1')), pem(newKeyObject('secp256k1')), ed25519, 'no key']) {
    expect(() => createPackageVerifier({ trustedKeys: [other] })).toThrow(/P-256/);
  }
  expect(() => createPackageVerifier({ trustedKeys: [] })).toThrow(/No signing key is trusted/);
});
