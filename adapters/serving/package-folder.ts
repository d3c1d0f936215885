import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { ObjectStore } from '../../activities/ports.js';
import type { ObjectRef, PackageFile, PackageRef } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';
import { onDisk } from '../objects/object-failures.js';
import { assertPackagePath } from '../signing/package-path.js';

/** Where a package's signature lies in its folder: the name that OpenSSF model signing gives it. */
export const signatureFile = 'model.sig';
const maxFiles = 1_000;

/** A package that lies in a folder, and where each of its objects is. */
export type FoundPackage = { readonly package: PackageRef; readonly paths: ReadonlyMap<string, string> };

/** Writes a package's files and its signature into a new or empty folder. */
export async function writePackageFolder(objects: Pick<ObjectStore, 'getFile'>, pack: PackageRef, folder: string): Promise<void> {
  await onDisk(folder, () => mkdir(folder, { recursive: true }));
  if ((await onDisk(folder, () => readdir(folder))).length > 0)
    throw new PerennialError('Conflict', `${folder} is not empty: name a new folder, so that nothing unsigned lies beside the package`);
  const files = [...pack.files, ...(pack.signature === undefined ? [] : [{ path: signatureFile, digest: pack.signature.digest }])];
  for (const { path, digest } of files) {
    assertPackagePath(path);
    const target = join(folder, ...path.split('/'));
    await onDisk(target, () => mkdir(dirname(target), { recursive: true }));
    await objects.getFile(digest, target);
  }
}

/**
 * Finds the package in a folder: every file below it but the signature, by digest. Nothing is verified yet.
 * @throws PerennialError `ArtifactRejected` when there is no package, or something that no package has
 */
export async function readPackageFolder(folder: string): Promise<FoundPackage> {
  const refuse = (reason: string): never => {
    throw new PerennialError('ArtifactRejected', `${folder} holds no package: ${reason}`);
  };
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: Error) => refuse(error.message));
  const files: PackageFile[] = [];
  const paths = new Map<string, string>();
  let signature: ObjectRef | undefined;
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path
      .slice(folder.length)
      .split(sep)
      .filter((part) => part !== '')
      .join('/');
    if (!entry.isFile()) refuse(`${name} is no plain file`);
    if (paths.size >= maxFiles) refuse(`it has more than ${maxFiles} files`);
    assertPackagePath(name);
    const { digest, bytes } = await onDisk(path, () => digestOf(path));
    paths.set(digest, path);
    if (name === signatureFile) signature = { digest, bytes, mediaType: 'application/json' };
    else files.push({ path: name, digest, bytes });
  }
  for (const needed of ['model.onnx', 'serving.json']) if (!files.some(({ path }) => path === needed)) refuse(`${needed} is not there`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const digest = `sha256:${createHash('sha256').update(canonicalJson(files)).digest('hex')}`;
  return { package: { digest, files, ...(signature === undefined ? {} : { signature }) }, paths };
}

async function digestOf(path: string): Promise<{ digest: string; bytes: number }> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return { digest: `sha256:${hash.digest('hex')}`, bytes: (await stat(path)).size };
}
