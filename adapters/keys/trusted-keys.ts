import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { pemOf, signingPublicKey } from '../signing/key-hint.js';

const folderOf = (folder: string): string => join(folder, 'trusted');

/**
 * The public keys whose package signatures count: every `<folder>/trusted/*.pem`, as PEM texts. A process that only
 * verifies (a gateway) needs nothing else of the folder. A key that was replaced stays here for as long as packages
 * signed by it may be served; removing its file distrusts them.
 * @throws PerennialError `ArtifactRejected` when a file holds a private key or another kind of key, `Unavailable` when
 *   the folder cannot be read
 */
export async function readTrustedKeys(folder: string): Promise<string[]> {
  const trusted = folderOf(folder);
  try {
    const names = (await readdir(trusted)).filter((name) => name.endsWith('.pem')).sort();
    return await Promise.all(names.map((name) => readTrusted(join(trusted, name))));
  } catch (cause) {
    if (cause instanceof PerennialError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new PerennialError(
      'Unavailable',
      `The trusted keys in ${trusted} cannot be read: ${(cause as Error).message}. Let this user read them.`,
      { cause, details: { folder: trusted } },
    );
  }
}

/** Puts a public key among the trusted ones, under its key id. Nothing happens when it is there. */
export async function trustKey(folder: string, publicKeyPem: string): Promise<void> {
  const { keyId, key } = signingPublicKey(publicKeyPem);
  const trusted = folderOf(folder);
  const path = join(trusted, `${keyId}.pem`);
  const unfinished = join(trusted, `.${randomUUID()}`);
  try {
    await mkdir(trusted, { recursive: true, mode: 0o755 });
    await writeFile(unfinished, pemOf(key), { mode: 0o644, flag: 'wx' });
    await link(unfinished, path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    throw new PerennialError(
      'Unavailable',
      `The public key cannot be put into ${trusted}: ${message}. Let this user write there, or put it there yourself.`,
      { cause, retryable: false, details: { path } },
    );
  } finally {
    await rm(unfinished, { force: true });
  }
}

async function readTrusted(path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  if (text.includes('PRIVATE KEY')) {
    throw new PerennialError(
      'ArtifactRejected',
      `${path} holds a private key. Only public keys belong there: openssl pkey -in ${path} -pubout.`,
      { details: { path } },
    );
  }
  return pemOf(signingPublicKey(text).key);
}
