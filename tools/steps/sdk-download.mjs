import { chmodSync, createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const ANSWER_MS = 4000;

/**
 * A server program as Temporal's SDK gets it: from its cache, else from its download
 * (TEMPORAL_DOWNLOAD_URL names a mirror of it).
 * @param {{artifact: 'cli' | 'temporal-test-server', cachedName: string, folder: string, context: import('./step.mjs').Context}} wish
 *   `folder` is where a downloaded program is unpacked
 * @returns {Promise<string | undefined>} its path, undefined when it cannot be reached, which is normal behind a firewall
 */
export async function fromSdk({ artifact, cachedName, folder, context }) {
  const version = sdkVersion(context.places.root);
  const cached = join(context.env.TMPDIR || tmpdir(), `${cachedName}-sdk-typescript-${version}`);
  if (existsSync(cached)) return cached;
  try {
    return await download({ artifact, version, folder, context });
  } catch {
    context.signal.throwIfAborted();
    return undefined;
  }
}

/** @param {{artifact: string, version: string, folder: string, context: import('./step.mjs').Context}} wish */
async function download({ artifact, version, folder, context }) {
  const query = new URLSearchParams({
    arch: arch() === 'x64' ? 'amd64' : arch(),
    platform: platform(),
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': version,
  });
  context.detail("asking for the SDK's download");
  const answer = await fetch(`${context.env.TEMPORAL_DOWNLOAD_URL || 'https://temporal.download'}/${artifact}/default?${query}`, {
    signal: AbortSignal.any([context.signal, AbortSignal.timeout(ANSWER_MS)]),
  });
  if (!answer.ok) return undefined;
  const { archiveUrl, fileToExtract } = /** @type {{archiveUrl: string, fileToExtract: string}} */ (await answer.json());
  context.detail('downloading');
  const archive = await fetch(archiveUrl, { signal: context.signal });
  if (!archive.ok || archive.body === null) return undefined;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'archive.tar.gz');
  await pipeline(Readable.fromWeb(/** @type {any} */ (archive.body)), createWriteStream(file));
  await context.run({ command: 'tar', args: ['-xzf', file, '-C', folder] });
  rmSync(file);
  const program = join(folder, fileToExtract);
  chmodSync(program, 0o755);
  return program;
}

/** @param {string} root */
function sdkVersion(root) {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies['@temporalio/testing'];
}

/**
 * An empty folder for the work of one step; the step moves out of it what it keeps.
 * @param {string} output the path that is made in the end
 */
export function workFolder(output) {
  const folder = `${output}.new`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(folder);
  return folder;
}
