import { PerennialError } from '../../domain/errors.js';

/**
 * Refuses a file name that is no plain relative POSIX path: one that could leave the package's folder, that two systems
 * read differently, or that a person cannot see as it is.
 * @throws PerennialError `ArtifactRejected`
 */
export function assertPackagePath(path: string): void {
  const reason = fault(path);
  if (reason !== undefined) {
    throw new PerennialError(
      'ArtifactRejected',
      `${JSON.stringify(path).slice(0, 200)} is no name for a file of a package: ${reason}. Use a plain relative path like model.onnx.`,
      {
        details: { path },
      },
    );
  }
}

function fault(path: string): string | undefined {
  if (path === '') return 'it is empty';
  if (path.startsWith('/')) return 'it is absolute';
  if (path.includes('\\') || path.includes(':')) return 'it holds \\ or :, which other systems read as separators';
  // Control, format (RTL marks), surrogate and private-use characters.
  if (/\p{C}/u.test(path)) return 'it holds a character that cannot be seen';
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'it has an empty, . or .. part';
  if (path !== path.normalize('NFC')) return 'it is not in Unicode form NFC';
  return undefined;
}
