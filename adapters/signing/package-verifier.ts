import { verify } from 'node:crypto';
import type { PackageVerifier } from '../../activities/ports.js';
import type { PackageFile } from '../../contracts/artifacts.js';
import { PerennialError } from '../../domain/errors.js';
import { parseJson, readBundle } from './bundle.js';
import { signingPublicKey } from './key-hint.js';
import { assertPackagePath } from './package-path.js';
import { preAuthenticationEncoding, rootDigest, statementSchema, type Statement } from './statement.js';

export type VerifierOptions = {
  /** PEM texts of the ECDSA P-256 public keys whose signatures count. Several, so that a key can be replaced. */
  readonly trustedKeys: readonly string[];
  /** Paths that a signer may have left out. Ours leaves out none, so none is the default: what is ignored is not signed. */
  readonly ignorePaths?: readonly string[];
};

/**
 * Verifies signatures of OpenSSF model signing v1.0 in key mode over a package's files: the signature by a trusted key,
 * and then the full manifest, so that a changed, missing, extra or renamed file is refused by name.
 * @throws PerennialError `ArtifactRejected` when no key is trusted or one is of another kind
 */
export function createPackageVerifier(options: VerifierOptions): PackageVerifier {
  const keys = new Map(options.trustedKeys.map(signingPublicKey).map((trusted) => [trusted.keyId, trusted.key]));
  if (keys.size === 0)
    throw new PerennialError(
      'ArtifactRejected',
      'No signing key is trusted, so no package can be verified. Configure at least one public key.',
    );
  const mayIgnore = new Set(options.ignorePaths ?? []);
  return {
    async verify({ files, signature }) {
      const signed = readBundle(signature);
      const key = keys.get(signed.keyHint);
      if (key === undefined) {
        throw rejected(
          `The package was signed by key ${signed.keyHint}, which is not trusted here. Trusted: ${[...keys.keys()].join(', ')}`,
        );
      }
      // Before anything in the payload is looked at.
      if (!verify('sha256', preAuthenticationEncoding(signed.payload), key, signed.signature)) {
        throw rejected(`The signature by key ${signed.keyHint} does not fit what it signs: one of them was changed`);
      }
      const statement = parseJson({ bytes: signed.payload, schema: statementSchema, what: 'The signed statement' });
      checkStatement(statement, mayIgnore);
      compare(statement, files);
      return { keyId: signed.keyHint, name: statement.subject[0].name };
    },
  };
}

function checkStatement({ subject, predicate }: Statement, mayIgnore: ReadonlySet<string>): void {
  const ignored = (predicate.serialization.ignore_paths ?? []).find((path) => !mayIgnore.has(path));
  if (ignored !== undefined) throw rejected(`The signer left out ${JSON.stringify(ignored)} (ignore_paths), which is not allowed here`);
  const root = rootDigest(predicate.resources);
  if (root !== subject[0].digest.sha256)
    throw rejected(`The signed statement contradicts itself: its files hash to ${root}, its subject says ${subject[0].digest.sha256}`);
}

function compare({ predicate }: Statement, files: readonly PackageFile[]): void {
  const signed = new Map<string, string>();
  for (const { name, digest } of predicate.resources) {
    assertPackagePath(name);
    if (signed.has(name)) throw rejected(`The signed statement names ${name} twice`);
    signed.set(name, `sha256:${digest}`);
  }
  const given = new Map<string, string>();
  for (const { path, digest } of files) {
    if (given.has(path)) throw rejected(`The package names ${path} twice`);
    given.set(path, digest);
  }
  for (const [path, digest] of given) {
    const expected = signed.get(path);
    if (expected === digest) continue;
    if (expected !== undefined)
      throw rejected(`File ${path} has the digest ${digest}, but ${expected} was signed`, { path, digest, expected });
    const formerly = [...signed].find(([name, other]) => other === digest && !given.has(name))?.[0];
    throw rejected(formerly === undefined ? `File ${path} was not signed` : `File ${path} was signed under the name ${formerly}`, {
      path,
      digest,
    });
  }
  const missing = [...signed.keys()].find((name) => !given.has(name));
  if (missing !== undefined) throw rejected(`File ${missing} was signed, but the package lacks it`, { path: missing });
}

function rejected(what: string, details: Record<string, unknown> = {}): PerennialError {
  return new PerennialError('ArtifactRejected', `${what}. Restore the package from a backup, or train and sign it again.`, { details });
}
