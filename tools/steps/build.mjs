import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestOf } from '../digest.mjs';
import { bundledFiles, entryPoints, sourceFolders, workflowBundle, workflowEntry } from '../entry-points.mjs';
import { SetUpFailure } from '../failure.mjs';
import { nodeBundle } from '../node-bundle.mjs';
import { CommandFailure } from '../run-command.mjs';

const KEPT = 3;
const KEPT_MS = 24 * 3_600_000;

/**
 * The TypeScript programs and the workflow bundle as JavaScript, kept by the digest of all sources.
 * @type {import('./step.mjs').Step}
 */
export const build = {
  name: 'build',
  why: 'TypeScript is bundled once for each state of the sources',
  after: ['npm packages'],
  megabytes: 60,
  isWanted: ({ need }) => need.has('build'),
  digest: ({ places }) => sourceDigest(places.root),
  // The whole folder is moved into place at the end; one that something else began is none.
  isThere: ({ places }) => existsSync(join(buildFolder(places), 'package.json')),
  async make({ places, say, detail, run }) {
    const folder = buildFolder(places);
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    linkPackages(places);
    const present = entryPoints.filter((path) => existsSync(join(places.root, path)));
    const absent = entryPoints.filter((path) => !present.includes(path));
    if (absent.length > 0) say(`    not there and left out: ${absent.join(', ')}`);
    if (!existsSync(join(places.root, workflowEntry))) say(`    not there and left out: ${workflowEntry}`);
    detail(`${present.length} programs and the workflows`);
    await Promise.all([
      bundlePrograms({ root: places.root, folder: unfinished, paths: present }),
      bundleWorkflows({ root: places.root, folder: unfinished, run }),
    ]);
    for (const path of bundledFiles) cpSync(join(places.root, path), join(unfinished, path));
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
    dropOld(places.builds, folder);
  },
};

/**
 * Where the bundles of the sources as they are now lie, or will lie.
 * @param {import('../places.mjs').Places} places
 */
export function buildFolder(places) {
  return join(places.builds, sourceDigest(places.root));
}

/** @param {string} root */
function sourceDigest(root) {
  return digestOf({
    root,
    paths: [
      ...sourceFolders,
      'package-lock.json',
      'tsconfig.json',
      'tools/entry-points.mjs',
      'tools/steps/build.mjs',
      'tools/bundle-workflows.mjs',
    ],
    leaveOut: (path) => path.endsWith('/node_modules') || path.endsWith('/dist') || path.endsWith('.md'),
  });
}

/** @param {{root: string, folder: string, paths: readonly string[]}} wish */
async function bundlePrograms({ root, folder, paths }) {
  if (paths.length === 0) return;
  const esbuild = await import('esbuild');
  try {
    await esbuild.build({
      absWorkingDir: root,
      entryPoints: [...paths],
      outdir: folder,
      outbase: root,
      ...nodeBundle,
      splitting: true,
      sourcemap: true,
      logLevel: 'silent',
      plugins: [keepTools()],
    });
  } catch (cause) {
    throw sourcesBroken(cause);
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
}

/**
 * The scripts under tools/ find the clone by their own place, so they are not copied into a bundle.
 * @returns {import('esbuild').Plugin}
 */
function keepTools() {
  return {
    name: 'keep-tools',
    setup({ onResolve }) {
      onResolve({ filter: /\/tools\/.*\.mjs$/ }, ({ path, resolveDir }) => ({
        path: pathToFileURL(join(resolveDir, path)).href,
        external: true,
      }));
    },
  };
}

/**
 * In a process of its own, because the bundler would keep this one from telling how far it is.
 * @param {{root: string, folder: string, run: import('./step.mjs').Context['run']}} wish
 */
async function bundleWorkflows({ root, folder, run }) {
  const entry = join(root, workflowEntry);
  if (!existsSync(entry)) return;
  try {
    await run({ command: process.execPath, args: [join(root, 'tools', 'bundle-workflows.mjs'), entry, join(folder, workflowBundle)] });
  } catch (cause) {
    throw cause instanceof CommandFailure ? sourcesBroken(new Error(cause.output, { cause })) : cause;
  }
}

/** @param {unknown} cause */
function sourcesBroken(cause) {
  return new SetUpFailure({
    what: 'The sources cannot be bundled',
    why: mainLines(cause instanceof Error ? cause.message : String(cause)).join('\n        '),
    todo: 'correct the sources (`npx tsc --noEmit` shows more), and start again',
    cause,
  });
}

/**
 * The workflow bundler lists all that it bundled before it says what is wrong.
 * @param {string} text
 */
function mainLines(text) {
  const lines = text.trim().split('\n');
  const first = lines.findIndex((line) => /^\s*(ERROR in|.*\bError:)/.test(line));
  return lines.slice(Math.max(0, first)).slice(0, 12);
}

/**
 * Bundles import packages by name, looked up from where they lie, which may be outside the clone.
 * @param {import('../places.mjs').Places} places
 */
function linkPackages({ root, builds }) {
  mkdirSync(builds, { recursive: true });
  const link = join(builds, 'node_modules');
  rmSync(link, { force: true });
  symlinkSync(join(root, 'node_modules'), link, 'dir');
}

/**
 * @param {string} builds
 * @param {string} current
 */
function dropOld(builds, current) {
  utimesSync(current, new Date(), new Date());
  const all = readdirSync(builds)
    .filter((name) => name !== 'node_modules')
    .map((name) => join(builds, name));
  // Set-ups here take turns, so an unfinished folder is what an interrupted one left.
  for (const folder of all) if (folder.endsWith('.new')) rmSync(folder, { recursive: true, force: true });
  const folders = all.filter((folder) => !folder.endsWith('.new')).toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  // A stack that runs restarts its processes from its build, however often the sources changed since.
  const old = folders.slice(KEPT).filter((folder) => Date.now() - statSync(folder).mtimeMs > KEPT_MS);
  for (const folder of old) rmSync(folder, { recursive: true, force: true });
}
