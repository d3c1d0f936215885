import type { ObjectStore } from '../../activities/ports.js';
import { PerennialError } from '../../domain/errors.js';
import { openFileObjectStore } from './file-object-store.js';
import type { S3Options } from './s3-object-store.js';

/** Where objects are: `s3://bucket/prefix`, or a folder. */
export type ObjectStoreOptions = Omit<S3Options, 'bucket' | 'prefix'> & { readonly location: string };

/**
 * Opens the store that PERENNIAL_OBJECTS names.
 * @throws PerennialError `DataInvalid` for a location of another kind, `Unavailable` when a folder cannot be used
 */
export async function openObjectStore(options: ObjectStoreOptions): Promise<ObjectStore> {
  const { location, ...s3 } = options;
  if (location.startsWith('s3://')) {
    const place = parseS3(location);
    // Loaded only where it is used: the SDK takes half a second, which no laptop with files should wait.
    const { openS3ObjectStore } = await import('./s3-object-store.js');
    return openS3ObjectStore({ ...s3, ...place });
  }
  if (location === '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(location)) throw notALocation(location);
  return openFileObjectStore(location);
}

function parseS3(location: string): { bucket: string; prefix: string } {
  const parts = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9!_.*'()/-]*))?$/.exec(location);
  const prefix = (parts?.[2] ?? '').replace(/^\/+|\/+$/g, '');
  if (parts === null || prefix.split('/').some((part) => part === '.' || part === '..')) throw notALocation(location);
  return { bucket: parts[1] ?? '', prefix };
}

function notALocation(location: string): PerennialError {
  return new PerennialError(
    'DataInvalid',
    `${JSON.stringify(location)} is no place for objects. Set PERENNIAL_OBJECTS to s3://bucket/prefix or to a folder.`,
    { details: { location } },
  );
}
