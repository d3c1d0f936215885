import type { PackageVerifier, ServableVersion } from '../../activities/ports.js';
import type { PackageFile } from '../../contracts/artifacts.js';
import { canonicalJson } from '../../domain/json.js';
import { RequestError } from '../http/request-error.js';
import { reasonOf } from '../log.js';
import { digestOf, keepObject } from './package-files.js';

const signatureName = 'file:signature';
const fileName = /^file:([A-Za-z0-9][A-Za-z0-9._-]*)$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const most = 64;

/**
 * A package that came in the body of a load call: `file:<path>` holds each file as base64, `file:signature` the OpenSSF
 * signature over all of them. Nothing is kept of one whose signature does not hold. Throws `invalidRequest`.
 */
export async function packageInCall(
  at: { readonly verifier: PackageVerifier; readonly folder: string },
  call: { readonly model: string; readonly version: string; readonly parameters: Readonly<Record<string, unknown>> },
): Promise<ServableVersion> {
  const { model, version, parameters } = call;
  const refuse = (reason: string): never => {
    throw new RequestError('invalidRequest', `failed to load '${model}' version '${version}': ${reason}`);
  };
  if (parameters['config'] !== undefined)
    refuse('a configuration in the call is not taken: serving.json of the signed package says how it is served');
  if (parameters[signatureName] === undefined)
    refuse(`a model in the call is taken only as a whole signed package: ${signatureName} is missing beside its files`);
  const names = Object.keys(parameters).filter((name) => name.startsWith('file:'));
  if (names.length > most) refuse(`${names.length} files: at most ${most} are taken`);
  const contents = new Map(names.map((name) => [name, decoded(name)]));
  const signature = contents.get(signatureName)!;
  contents.delete(signatureName);
  const files = [...contents].map(([name, bytes]): PackageFile => ({
    path: pathOf(name),
    digest: digestOf(bytes),
    bytes: bytes.byteLength,
  }));
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  try {
    await at.verifier.verify({ files, signature });
  } catch (error) {
    refuse(reasonOf(error));
  }
  for (const bytes of [...contents.values(), signature]) await keepObject(at.folder, digestOf(bytes), bytes);
  return {
    model,
    version,
    package: {
      digest: digestOf(Buffer.from(canonicalJson(files))),
      files,
      signature: { digest: digestOf(signature), bytes: signature.byteLength, mediaType: 'application/json' },
    },
  };

  function pathOf(name: string): string {
    return fileName.exec(name)?.[1] ?? refuse(`${JSON.stringify(name.slice(0, 100))} names no file of a package`);
  }

  function decoded(name: string): Buffer {
    const text = parameters[name];
    if (typeof text !== 'string' || !base64.test(text) || text.length % 4 !== 0) return refuse(`${name.slice(0, 100)} is not base64`);
    return Buffer.from(text, 'base64');
  }
}
