import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GatewayKeySource } from '../../activities/ports.js';
import { readGatewayKeys, writeGatewayKeys } from '../../contracts/gateway-keys.js';
import type { GatewayKey } from '../../contracts/gateway-keys.js';
import { PerennialError } from '../../domain/errors.js';

const lockLimitMs = 5_000;

/**
 * The keys in the file; none when there is no file. `DataInvalid` when it cannot be read as keys, `Unavailable` when others
 * may write it, or may read the secrets in it.
 */
export async function loadGatewayKeys(file: string): Promise<GatewayKey[]> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o022) !== 0)
      throw new PerennialError(
        'Unavailable',
        `Others may write the key file ${file} (mode ${(mode & 0o777).toString(8)}) and so let themselves in. Look it through, then run chmod 600 ${file}.`,
        { retryable: false, details: { file } },
      );
    const keys = readGatewayKeys(await readFile(file, 'utf8'), file);
    if ((mode & 0o077) !== 0 && keys.some(({ aws }) => typeof aws?.secretAccessKey === 'string'))
      throw new PerennialError(
        'Unavailable',
        `Others may read the key file ${file} (mode ${(mode & 0o777).toString(8)}), which holds secret access keys. Run chmod 600 ${file}, revoke those keys and make new ones.`,
        { retryable: false, details: { file } },
      );
    return keys;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Changes the file's keys, one process after the other; the file is whole at every moment, and its owner's alone. */
export async function changeGatewayKeys(file: string, change: (keys: readonly GatewayKey[]) => readonly GatewayKey[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await locked(`${file}.lock`, async () => {
    const text = writeGatewayKeys(change(await loadGatewayKeys(file)));
    const unfinished = join(dirname(file), `.${randomUUID()}`);
    try {
      await writeFile(unfinished, text, { mode: 0o600, flush: true });
      await rename(unfinished, file);
    } finally {
      await rm(unfinished, { force: true });
    }
  });
}

/** The file as the gateway follows it: looked at every `everyMs`. */
export function gatewayKeySource(file: string, everyMs = 1_000): GatewayKeySource {
  return {
    async follow({ changed, failed }) {
      let seen = await stampOf(file);
      changed(await loadGatewayKeys(file));
      let stopped = false;
      const look = async (): Promise<void> => {
        const stamp = await stampOf(file);
        if (stamp === seen) return;
        const keys = await loadGatewayKeys(file);
        if (stopped) return;
        seen = stamp;
        changed(keys);
      };
      let told = '';
      const timer = setInterval(() => {
        look().then(
          () => (told = ''),
          (error: unknown) => {
            // The same trouble is told once, not each second.
            if (String(error) !== told) failed(error);
            told = String(error);
          },
        );
      }, everyMs);
      timer.unref();
      return () => {
        stopped = true;
        clearInterval(timer);
      };
    },
  };
}

/** Another one whenever the file was replaced, written or its rights changed. */
async function stampOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return '';
  }
}

async function locked(lock: string, work: () => Promise<void>): Promise<void> {
  const givenUpMs = Date.now() + lockLimitMs;
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (Date.now() > givenUpMs)
        throw new PerennialError('Unavailable', `Another command holds ${lock}. When none is running, remove that file and try again.`, {
          details: { lock },
        });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}
