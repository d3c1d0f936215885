import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PackageFile } from '../../contracts/artifacts.js';
import { digestOf } from '../../adapters/objects/digest.js';
import { testPlaces } from '../support/servers.js';

/** A P-256 key pair as PEM texts. */
export function newKey(): { privateKeyPem: string; publicKeyPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The files of a small model, in an order that is not sorted and with names whose order is easily got wrong. */
export const contents: Readonly<Record<string, string>> = {
  'serving.json': '{"model":"demo"}',
  'model.onnx': 'onnx bytes',
  'weights/part-1': 'one',
  'weights.txt': 'native',
  'weights/deep/ä b.bin': 'two words',
  'manifest.json': '{}',
};

export const filesOf = (of: Readonly<Record<string, string>>): PackageFile[] =>
  Object.entries(of).map(([path, text]) => ({ path, digest: digestOf(Buffer.from(text)), bytes: Buffer.byteLength(text) }));

export function writeFolder(folder: string, of: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(of)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** Runs a program against the reference implementation, PyPI model-signing. */
function python(program: string, ...args: string[]): { ok: boolean; said: string } {
  const { status, stdout, stderr, error } = spawnSync(testPlaces().pythonTest, ['-c', `import sys, model_signing\n${program}`, ...args], {
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { ok: status === 0, said: stdout + stderr };
}

/** Whether the reference implementation takes this signature for this folder, with its default settings. */
export function referenceVerifies(input: { folder: string; signature: string; publicKey: string }): { ok: boolean; said: string } {
  const verify =
    'model_signing.verifying.Config().use_elliptic_key_verifier(public_key=sys.argv[1]).verify(sys.argv[2], sys.argv[3])\nprint("verified")';
  const answer = python(verify, input.publicKey, input.folder, input.signature);
  return { ok: answer.ok && answer.said.includes('verified'), said: answer.said };
}

/** A signature by the reference implementation; `git` leaves out Git's own files as it does by default. */
export function referenceSigns(input: { folder: string; privateKey: string; to: string; git: boolean }): Uint8Array {
  const sign = `hashing = model_signing.hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=${input.git ? 'True' : 'False'})
model_signing.signing.Config().use_elliptic_key_signer(private_key=sys.argv[1]).set_hashing_config(hashing).sign(sys.argv[2], sys.argv[3])`;
  const answer = python(sign, input.privateKey, input.folder, input.to);
  if (!answer.ok) throw new Error(answer.said);
  return readFileSync(input.to);
}
