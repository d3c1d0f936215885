import { PerennialError } from './errors.js';
import type { SemanticVersion, VersionShape } from './version.js';

type Parts = readonly [major: number, minor: number, patch: number];

/** The three numbers of `MAJOR.MINOR.PATCH`. Throws `DataInvalid` on anything else (no prefix, no leading zeros, no suffix). */
export function parseVersion(version: string): Parts {
  const match = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/.exec(version);
  if (match === null)
    throw new PerennialError('DataInvalid', `"${version}" is not a version. Write MAJOR.MINOR.PATCH, for instance 1.0.1.`);
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

/** Order of versions by their numbers: negative when `a` comes first. Throws `DataInvalid` on a malformed one. */
export function compareVersions(a: SemanticVersion, b: SemanticVersion): number {
  const left = parseVersion(a);
  const right = parseVersion(b);
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}

/**
 * Version number of a new candidate: MAJOR when the architecture (task, trainer) or the
 * input schema changed, MINOR when features, hyperparameter space or code changed, PATCH for the same definition over
 * newer data; the first is 1.0.0. `previous` is the highest version registered so far, refused ones too, so that no
 * number is given twice.
 */
export function nextVersion(
  previous: { readonly version: SemanticVersion; readonly shape: VersionShape } | null,
  shape: VersionShape,
): SemanticVersion {
  if (previous === null) return '1.0.0';
  const [major, minor, patch] = parseVersion(previous.version);
  switch (versionBump(previous.shape, shape)) {
    case 'major':
      return `${major + 1}.0.0`;
    case 'minor':
      return `${major}.${minor + 1}.0`;
    case 'patch':
      return `${major}.${minor}.${patch + 1}`;
  }
}

/** Which of the three numbers grows between two shapes. */
export function versionBump(before: VersionShape, after: VersionShape): 'major' | 'minor' | 'patch' {
  if (shapeChanged(before, after)) return 'major';
  return before.recipeDigest === after.recipeDigest ? 'patch' : 'minor';
}

/** Whether a caller would notice, or the kind of model is another: the next number is a MAJOR one, and its risk is high. */
export function shapeChanged(before: VersionShape, after: VersionShape): boolean {
  return architectureChanged(before, after) || before.schemaDigest !== after.schemaDigest;
}

/** Whether the kind of model changed: another task or another trainer. It makes a candidate high risk. */
export function architectureChanged(before: VersionShape, after: VersionShape): boolean {
  return before.task !== after.task || before.trainer !== after.trainer;
}
