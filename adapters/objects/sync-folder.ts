import { open } from 'node:fs/promises';

/** Makes the names in a folder outlive a power failure, as `sync` does for the bytes of a file. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
