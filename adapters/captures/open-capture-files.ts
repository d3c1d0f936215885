import type { CaptureFiles } from '../../activities/ports.js';
import { parseLocation } from '../objects/location.js';
import type { S3Access } from '../objects/s3-client.js';
import { openFileCaptureFiles } from './file-capture-files.js';

/** Where captured requests go: `s3://bucket/prefix`, or a folder. */
export type CaptureFilesOptions = S3Access & { readonly location: string };

/**
 * Opens the place that PERENNIAL_CAPTURES names.
 * @throws PerennialError `DataInvalid` for a location of another kind
 */
export async function openCaptureFiles(options: CaptureFilesOptions): Promise<CaptureFiles> {
  const { location, ...access } = options;
  const place = parseLocation('PERENNIAL_CAPTURES', location);
  if (place.kind === 'folder') return openFileCaptureFiles(place.folder);
  // Loaded only where it is used: the SDK takes half a second.
  const { openS3CaptureFiles } = await import('./s3-capture-files.js');
  return openS3CaptureFiles({ ...access, bucket: place.bucket, prefix: place.prefix });
}
