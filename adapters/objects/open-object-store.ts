import type { ObjectStore } from '../../activities/ports.js';
import { openFileObjectStore } from './file-object-store.js';
import type { S3Options } from './s3-object-store.js';
import { parseLocation } from './location.js';

/** Where objects are: `s3://bucket/prefix`, or a folder. */
export type ObjectStoreOptions = Omit<S3Options, 'bucket' | 'prefix'> & { readonly location: string };

/**
 * Opens the store that PERENNIAL_OBJECTS names.
 * @throws PerennialError `DataInvalid` for a location of another kind, `Unavailable` when a folder cannot be used
 */
export async function openObjectStore(options: ObjectStoreOptions): Promise<ObjectStore> {
  const { location, ...s3 } = options;
  const place = parseLocation('PERENNIAL_OBJECTS', location);
  if (place.kind === 'folder') return openFileObjectStore(place.folder);
  // Loaded only where it is used: the SDK takes half a second, which no laptop with files should wait.
  const { openS3ObjectStore } = await import('./s3-object-store.js');
  return openS3ObjectStore({ ...s3, bucket: place.bucket, prefix: place.prefix });
}
