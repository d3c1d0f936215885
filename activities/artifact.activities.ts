import { createHash } from 'node:crypto';
import type { EvaluationActivities } from '../contracts/activities.js';
import type { PackageFile, PackageRef, ServingSpec } from '../contracts/artifacts.js';
import { PerennialError } from '../domain/errors.js';
import { canonicalJson } from '../domain/json.js';
import type { ObjectStore, PackageSigner, PackageVerifier } from './ports.js';

/** Media type of the objects that hold signatures. */
const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

export type ArtifactDeps = {
  readonly objects: ObjectStore;
  readonly signer: PackageSigner;
  readonly verifier: PackageVerifier;
  /** The package that the registry holds for a version. */
  readonly packageOf: (model: string, version: string) => Promise<PackageRef>;
};

/** Signing of a package when it is made, and verification before it is promoted. Expected failures are `ArtifactRejected`. */
export function createArtifactActivities(deps: ArtifactDeps): Pick<EvaluationActivities, 'signPackage' | 'verifyPackage'> {
  const { objects, signer, verifier } = deps;
  return {
    async signPackage({ package: unsigned, name }) {
      await checkFiles(objects, unsigned);
      const signature = await objects.put(await signer.sign({ name, files: unsigned.files }), bundleMediaType);
      // As the gateway will: what is stored, and not what was in memory.
      await verifier.verify({ files: unsigned.files, signature: await objects.get(signature.digest) });
      return { ...unsigned, signature };
    },

    async verifyPackage({ model, version }) {
      const found = await deps.packageOf(model, version);
      if (found.signature === undefined) {
        throw new PerennialError(
          'ArtifactRejected',
          `Version ${version} of ${model} was never signed. Train it again: signing is a step of every run.`,
          { details: { model, version } },
        );
      }
      await checkFiles(objects, found);
      const { name } = await verifier.verify({ files: found.files, signature: await objects.get(found.signature.digest) });
      const served = await servedModel(objects, found);
      if (served !== model || !name.startsWith(model)) {
        throw new PerennialError(
          'ArtifactRejected',
          `Version ${version} of ${model} holds a package of another model: signed as ${JSON.stringify(name)}, made for ${JSON.stringify(served)}. Train ${model} again.`,
          {
            details: { model, version, name, served },
          },
        );
      }
      return { digest: found.digest };
    },
  };
}

/** The digest of a package: SHA-256 of the canonical JSON of its files, sorted by path. */
export function packageDigest(files: readonly PackageFile[]): string {
  const sorted = files
    .map(({ path, digest, bytes }) => ({ path, digest, bytes }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return `sha256:${createHash('sha256').update(canonicalJson(sorted)).digest('hex')}`;
}

/** Every file is there with the bytes of its digest, and the package's digest is that of these files. */
async function checkFiles(objects: ObjectStore, given: PackageRef): Promise<void> {
  const expected = packageDigest(given.files);
  if (given.digest !== expected) {
    throw new PerennialError(
      'ArtifactRejected',
      `The package calls itself ${given.digest}, but its files make ${expected}. Package the model again.`,
      {
        details: { digest: given.digest, expected },
      },
    );
  }
  // One after the other: a package may hold files that fill the memory together.
  for (const { path, digest, bytes } of given.files) {
    const { byteLength } = await reading(path, () => objects.get(digest));
    if (byteLength !== bytes)
      throw new PerennialError(
        'ArtifactRejected',
        `File ${path} has ${byteLength} bytes, but the package says ${bytes}. Package the model again.`,
        { details: { path, digest } },
      );
  }
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof PerennialError)) throw cause;
    const { type, retryable, details } = cause;
    throw new PerennialError(type, `File ${path} of the package: ${cause.message}`, { cause, retryable, details: { ...details, path } });
  }
}

/** The model that a (verified) package was made for, by its own signed `serving.json`. */
async function servedModel(objects: ObjectStore, given: PackageRef): Promise<unknown> {
  const file = given.files.find(({ path }) => path === 'serving.json');
  if (file === undefined)
    throw new PerennialError(
      'ArtifactRejected',
      'The package has no serving.json, so nothing says what it serves. Package the model again.',
      { details: { digest: given.digest } },
    );
  try {
    const spec: unknown = JSON.parse(Buffer.from(await objects.get(file.digest)).toString('utf8'));
    return (spec as Partial<ServingSpec> | null)?.model;
  } catch (cause) {
    if (cause instanceof PerennialError) throw cause;
    throw new PerennialError(
      'ArtifactRejected',
      `serving.json of the package is not JSON: ${(cause as Error).message}. Package the model again.`,
      { cause, details: { digest: given.digest } },
    );
  }
}
