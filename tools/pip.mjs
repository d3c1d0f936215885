/**
 * What every call of pip of ours has in common: pinned and hashed wheels only, so that no package's
 * own program runs while it is installed.
 * @param {'install' | 'download'} command
 * @param {string} requirements path of a file with hashes
 * @returns {string[]}
 */
export function pipArguments(command, requirements) {
  return [
    command,
    '--disable-pip-version-check',
    '--no-input',
    '--retries=2',
    '--only-binary=:all:',
    '--require-hashes',
    `--requirement=${requirements}`,
  ];
}
