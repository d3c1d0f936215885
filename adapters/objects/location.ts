import { PerennialError } from '../../domain/errors.js';

/** Where files are kept. `prefix` has no slashes at its ends and may be empty. */
export type Location =
  { readonly kind: 'folder'; readonly folder: string } | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

/**
 * Reads `s3://bucket/prefix` or a folder.
 * @param variable what sets it, for the message
 * @throws PerennialError `DataInvalid` for a location of another kind
 */
export function parseLocation(variable: string, location: string): Location {
  const refuse = (): never => {
    throw new PerennialError(
      'DataInvalid',
      `${JSON.stringify(location)} is no place for objects. Set ${variable} to s3://bucket/prefix or to a folder.`,
      { details: { location } },
    );
  };
  if (!location.startsWith('s3://')) {
    if (location === '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(location)) refuse();
    return { kind: 'folder', folder: location };
  }
  const parts = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9!_.*'()/-]*))?$/.exec(location);
  const prefix = (parts?.[2] ?? '').replace(/^\/+|\/+$/g, '');
  if (parts === null || prefix.split('/').some((part) => part === '.' || part === '..')) return refuse();
  return { kind: 's3', bucket: parts[1] ?? '', prefix };
}
