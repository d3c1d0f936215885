import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ensureToken, sameToken } from '../../adapters/keys/api-token.js';
import { signDecision, verifyDecision, type SignableDecision } from '../../adapters/keys/decision-signature.js';
import { ensurePersonKey, personKeyId } from '../../adapters/keys/person-key.js';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import { temporaryFolder } from '../objects/temporary-folder.js';

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('a key file', () => {
  test('is made once, for its owner alone, also when many ask at once', async () => {
    const folder = join(temporaryFolder(), 'keys');
    const keys = await Promise.all(Array.from({ length: 10 }, () => ensureSigningKey(folder)));
    expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1);
    expect(await ensureSigningKey(folder)).toEqual(keys[0]);
    expect(modeOf(folder)).toBe(0o700);
    expect(modeOf(join(folder, 'signing.pem'))).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['public', 'signing.pem']);
    expect(readdirSync(join(folder, 'public'))).toEqual(['signing.pem']);
  });

  test('that others can read is refused, with the way out', async () => {
    const folder = join(temporaryFolder(), 'keys');
    await ensureSigningKey(folder);
    chmodSync(join(folder, 'signing.pem'), 0o644);
    await expect(ensureSigningKey(folder)).rejects.toMatchObject({
      type: 'Unavailable',
      retryable: false,
      message: expect.stringContaining('chmod 600'),
    });
  });

  test('in a folder that others may write into is refused', async () => {
    const folder = join(temporaryFolder(), 'keys');
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    await expect(ensureSigningKey(folder)).rejects.toMatchObject({ message: expect.stringContaining('chmod 700') });
  });

  test('of another kind is refused', async () => {
    const folder = join(temporaryFolder(), 'keys');
    const person = await ensurePersonKey(folder, 'ada');
    writeFileSync(join(folder, 'signing.pem'), person.privateKeyPem, { mode: 0o600 });
    await expect(ensureSigningKey(folder)).rejects.toMatchObject({ type: 'ArtifactRejected', message: expect.stringContaining('P-256') });
    writeFileSync(join(folder, 'people', 'bob.pem'), 'nothing', { mode: 0o600 });
    await expect(ensurePersonKey(folder, 'bob')).rejects.toMatchObject({
      type: 'Unavailable',
      message: expect.stringContaining('Ed25519'),
    });
  });
});

test('the public half of the signing key lies apart, for those that only verify', async () => {
  const folder = join(temporaryFolder(), 'keys');
  const key = await ensureSigningKey(folder);
  const path = join(folder, 'public', 'signing.pem');
  expect(readFileSync(path, 'utf8')).toBe(key.publicKeyPem);
  expect(modeOf(path)).toBe(0o644);
  const files = [{ path: 'model.onnx', digest: `sha256:${'0'.repeat(64)}`, bytes: 1 }];
  const signature = await createPackageSigner(key.privateKeyPem).sign({ name: 'demo', files });
  const verifier = createPackageVerifier({ trustedKeys: [readFileSync(path, 'utf8')] });
  expect(await verifier.verify({ files, signature })).toEqual({ keyId: key.keyId, name: 'demo' });
  rmSync(join(folder, 'signing.pem'));
  const next = await ensureSigningKey(folder);
  expect(next.keyId).not.toBe(key.keyId);
  expect(readFileSync(path, 'utf8')).toBe(next.publicKeyPem);
});

describe("a person's key", () => {
  test('is the operating system user’s unless a name is given', async () => {
    const folder = join(temporaryFolder(), 'keys');
    expect(await ensurePersonKey(folder)).toMatchObject({ name: userInfo().username });
    const ada = await ensurePersonKey(folder, 'ada');
    expect(ada.keyId).toBe(personKeyId(ada.publicKeyPem));
    expect((await ensurePersonKey(folder, 'ada')).keyId).toBe(ada.keyId);
    expect((await ensurePersonKey(folder, 'bob')).keyId).not.toBe(ada.keyId);
    expect(modeOf(join(folder, 'people'))).toBe(0o700);
    expect(modeOf(join(folder, 'people', 'ada.pem'))).toBe(0o600);
  });

  test.each(['', '.', '..', '../signing', 'a/b', 'a\\b', '.hidden', 'a\0b', 'a'.repeat(65), 'ä'])('cannot be called %j', async (name) => {
    const folder = join(temporaryFolder(), 'keys');
    await expect(ensurePersonKey(folder, name)).rejects.toMatchObject({ type: 'DataInvalid' });
    expect(existsSync(folder)).toBe(false);
  });
});

describe('a signed decision', () => {
  const decision: SignableDecision = {
    model: 'demo',
    version: '1.0.1',
    decision: 'approve',
    by: 'ada',
    reason: 'better on every gate',
    evidenceDigest: 'sha256:1',
  };

  test('verifies as it was signed and in no other form', async () => {
    const ada = await ensurePersonKey(join(temporaryFolder(), 'keys'), 'ada');
    const { signature, keyId } = signDecision(decision, ada);
    expect(keyId).toBe(ada.keyId);
    expect(verifyDecision(decision, signature, ada.publicKeyPem)).toBe(true);
    const others: Partial<SignableDecision>[] = [
      { model: 'demo2' },
      { version: '1.0.2' },
      { decision: 'reject' },
      { by: 'bob' },
      { reason: '' },
      { evidenceDigest: 'sha256:2' },
    ];
    for (const other of others)
      expect(verifyDecision({ ...decision, ...other }, signature, ada.publicKeyPem), JSON.stringify(other)).toBe(false);
    const { evidenceDigest, ...without } = decision;
    expect(evidenceDigest).toBeDefined();
    expect(verifyDecision(without, signature, ada.publicKeyPem)).toBe(false);
  });

  test('does not verify by another key, and rubbish is no and not an error', async () => {
    const folder = join(temporaryFolder(), 'keys');
    const [ada, bob, signing] = [
      await ensurePersonKey(folder, 'ada'),
      await ensurePersonKey(folder, 'bob'),
      await ensureSigningKey(folder),
    ];
    const { signature } = signDecision(decision, ada);
    for (const key of [bob.publicKeyPem, signing.publicKeyPem, '', 'no key']) expect(verifyDecision(decision, signature, key)).toBe(false);
    for (const rubbish of ['', 'AAAA', '%%%', signature.slice(1)]) expect(verifyDecision(decision, rubbish, ada.publicKeyPem)).toBe(false);
  });
});

test('a token is made once, long and random, and compared as a whole', async () => {
  const folder = join(temporaryFolder(), 'keys');
  const token = await ensureToken(folder);
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(await ensureToken(folder)).toBe(token);
  expect(modeOf(join(folder, 'token'))).toBe(0o600);
  expect(await ensureToken(join(temporaryFolder(), 'keys'))).not.toBe(token);
  expect(sameToken(token, token)).toBe(true);
  for (const other of ['', token.slice(1), `${token}x`, token.toLowerCase()]) expect(sameToken(other, token)).toBe(false);
  writeFileSync(join(folder, 'token'), 'short\n');
  await expect(ensureToken(folder)).rejects.toMatchObject({ type: 'Unavailable' });
});
