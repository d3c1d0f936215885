import type { NamedObjects } from '../../activities/ports.js';
import { parseLocation } from '../objects/location.js';
import type { S3Access } from '../objects/s3-client.js';
import { openFileNamedObjects } from './file-named-objects.js';

/** Where named objects are: `s3://bucket/prefix`, or a folder. */
export type NamedObjectsOptions = S3Access & { readonly location: string };

/**
 * Opens the place that PERENNIAL_ASYNC names.
 * @throws PerennialError `DataInvalid` for a location of another kind
 */
export async function openNamedObjects({ location, ...access }: NamedObjectsOptions): Promise<NamedObjects> {
  const place = parseLocation('PERENNIAL_ASYNC', location);
  if (place.kind === 'folder') return openFileNamedObjects(place.folder);
  // Loaded only where it is used: the SDK takes half a second.
  const { openS3NamedObjects } = await import('./s3-named-objects.js');
  return openS3NamedObjects({ ...access, bucket: place.bucket, prefix: place.prefix });
}
