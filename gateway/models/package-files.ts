import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore, PackageVerifier, ServableVersion, ServingSpec } from '../../activities/ports.js';
import type { PackageFile } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { canonicalJson } from '../../domain/json.js';

/** What serving needs of a package, verified. `example` is the package's own request, null when it has none. */
export type PackageContents = { readonly model: Uint8Array; readonly spec: ServingSpec; readonly example: unknown };

export type PackageSource = { readonly objects: ObjectStore; readonly verifier: PackageVerifier; readonly folder: string };

/**
 * Reads a package and verifies it: every served file against its digest, the package's digest over its files, the
 * signature over them. Throws `ArtifactRejected` naming what does not hold. Files are kept in `folder` by digest, so that
 * a start without the object store finds them; a kept file that was changed is fetched again.
 */
export async function readPackage(source: PackageSource, servable: ServableVersion): Promise<PackageContents> {
  const { model, version, package: pack } = servable;
  const name = `${model} ${version}`;
  const refuse = (reason: string): never => {
    throw new PerennialError('ArtifactRejected', `package of ${name} is refused: ${reason}`);
  };
  const files = [...pack.files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const digest = digestOf(Buffer.from(canonicalJson(files.map(({ path, digest, bytes }) => ({ path, digest, bytes })))));
  if (digest !== pack.digest) refuse(`its files make ${digest}, it was registered as ${pack.digest}`);
  if (pack.signature === undefined) return refuse('it has no signature; sign and register it again');
  const signature = await readObject(source, pack.signature.digest);
  await source.verifier.verify({ files, signature });
  const find = (path: string): PackageFile | undefined => files.find((file) => file.path === path);
  const need = (path: string): PackageFile => find(path) ?? refuse(`it has no ${path}`);
  const onnx = await readObject(source, need('model.onnx').digest);
  const spec = parse(await readObject(source, need('serving.json').digest), 'serving.json') as ServingSpec;
  if (spec.model !== (servable.packagedAs ?? model)) refuse(`its serving.json is of model ${spec.model}`);
  const exampleFile = find('input-example.json');
  const example = exampleFile === undefined ? null : parse(await readObject(source, exampleFile.digest), 'input-example.json');
  return { model: onnx, spec, example };

  function parse(bytes: Uint8Array, path: string): unknown {
    try {
      return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
    } catch (error) {
      return refuse(`${path} is not JSON: ${(error as Error).message}`);
    }
  }
}

/** Some 1 ms of hashing. */
const bytesATurn = 1024 * 1024;

/** Keeps a file where `readPackage` finds it. */
export async function keepObject(folder: string, digest: string, bytes: Uint8Array): Promise<void> {
  const path = pathOf(folder, digest);
  await mkdir(dirname(path), { recursive: true });
  const own = `${path}.${process.pid}.${randomUUID()}.tmp`;
  await writeFile(own, bytes);
  await rename(own, path);
}

function pathOf(folder: string, digest: string): string {
  return join(folder, 'packages', digest.replace(':', '-'));
}

async function readObject(source: PackageSource, digest: string): Promise<Uint8Array> {
  const path = pathOf(source.folder, digest);
  const kept = await readFile(path).catch(() => null);
  if (kept !== null && (await digestInTurns(kept)) === digest) return kept;
  const bytes = await source.objects.get(digest);
  const found = await digestInTurns(bytes);
  if (found !== digest)
    throw new PerennialError(
      'ArtifactRejected',
      `object ${digest} holds other bytes (${found}): restore it from a copy or package the model again`,
    );
  await keepObject(source.folder, digest, bytes);
  return bytes;
}

/** As `digestOf`, with turns of the event loop in between: a large model must not hold up requests while it is verified. */
async function digestInTurns(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < bytes.byteLength; from += bytesATurn) {
    if (from > 0) await new Promise((resolve) => setImmediate(resolve));
    hash.update(bytes.subarray(from, from + bytesATurn));
  }
  return `sha256:${hash.digest('hex')}`;
}

/** `sha256:<hex>` of some bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
