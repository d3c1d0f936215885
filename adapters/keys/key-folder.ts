import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';

/**
 * Reads a secret file, or makes it when there is none: 0600 in a folder of 0700, whole or not at all, and one of several
 * processes that start at once makes it for all.
 * @throws PerennialError `Unavailable` when others can read it, or it cannot be read or written
 */
export async function ensureSecret(path: string, make: () => string): Promise<string> {
  try {
    await ensureFolder(dirname(path));
    return (await readSecret(path)) ?? (await createSecret(path, make()));
  } catch (cause) {
    if (cause instanceof PerennialError) throw cause;
    throw new PerennialError(
      'Unavailable',
      `The key file ${path} cannot be used: ${(cause as Error).message}. Let this user read and write it.`,
      {
        cause,
        retryable: false,
        details: { path },
      },
    );
  }
}

/** A new folder is 0700. One that was there is left as it is, unless others could replace keys in it. */
async function ensureFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { mode } = await stat(folder);
  if ((mode & 0o022) === 0 || (mode & 0o1000) !== 0) return;
  throw new PerennialError(
    'Unavailable',
    `Others may write into the key folder ${folder} (mode ${(mode & 0o777).toString(8)}) and so replace keys. Run chmod 700 ${folder}.`,
    {
      retryable: false,
      details: { folder },
    },
  );
}

async function readSecret(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) {
      throw new PerennialError(
        'Unavailable',
        `The key file ${path} can be read by others (mode ${(mode & 0o777).toString(8)}). If nobody else has read it, run chmod 600 ${path}; otherwise replace the key.`,
        {
          retryable: false,
          details: { path },
        },
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function createSecret(path: string, text: string): Promise<string> {
  const unfinished = join(dirname(path), `.${randomUUID()}`);
  try {
    const file = await open(unfinished, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where a rename would replace the key of a faster process.
    await link(unfinished, path);
    return text;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await readSecret(path)) ?? text;
  } finally {
    await rm(unfinished, { force: true });
  }
}
