import type { CaptureFileUpkeep } from '../../activities/upkeep-ports.js';
import { parseLocation } from '../objects/location.js';
import { openFileCaptureUpkeep } from './file-capture-upkeep.js';
import type { CaptureFilesOptions } from './open-capture-files.js';

/**
 * Opens the place that PERENNIAL_CAPTURES names, to remove what is old there.
 * @throws PerennialError `DataInvalid` for a location of another kind
 */
export async function openCaptureUpkeep(options: CaptureFilesOptions): Promise<CaptureFileUpkeep> {
  const { location, ...access } = options;
  const place = parseLocation('PERENNIAL_CAPTURES', location);
  if (place.kind === 'folder') return openFileCaptureUpkeep(place.folder);
  // Loaded only where it is used: the SDK takes half a second.
  const { openS3CaptureUpkeep } = await import('./s3-capture-upkeep.js');
  return openS3CaptureUpkeep({ ...access, bucket: place.bucket, prefix: place.prefix });
}
