import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { digestOf } from '../digest.mjs';
import { entryPoints, sourceFolders, workflowBundle, workflowEntry, workflowInterceptors } from '../entry-points.mjs';
import { SetUpFailure } from '../failure.mjs';

const KEPT = 3;

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
  isThere: ({ places }) => existsSync(buildFolder(places)),
  async make({ places, say, detail }) {
    const folder = buildFolder(places);
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    linkPackages(places);
    const present = entryPoints.filter((path) => existsSync(join(places.root, path)));
    const absent = entryPoints.filter((path) => !present.includes(path));
    if (absent.length > 0) say(`    not there and left out: ${absent.join(', ')}`);
    detail('programs');
    await bundlePrograms({ root: places.root, folder: unfinished, paths: present });
    detail('workflows');
    if (existsSync(join(places.root, workflowEntry))) await bundleWorkflows({ root: places.root, folder: unfinished });
    else say(`    not there and left out: ${workflowEntry}`);
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
    paths: [...sourceFolders, 'package-lock.json', 'tools/entry-points.mjs', 'tools/steps/build.mjs'],
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
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
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

/** @param {{root: string, folder: string}} wish */
async function bundleWorkflows({ root, folder }) {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  /** @type {string[]} */
  const messages = [];
  const keep = (/** @type {unknown} */ message) => void messages.push(String(message));
  const silent = () => {};
  try {
    const { code } = await bundleWorkflowCode({
      workflowsPath: join(root, workflowEntry),
      workflowInterceptorModules: [...workflowInterceptors],
      logger: { log: silent, trace: silent, debug: silent, info: silent, warn: keep, error: keep },
    });
    writeFileSync(join(folder, workflowBundle), code);
  } catch (cause) {
    throw sourcesBroken(messages.length > 0 ? new Error(messages.join('\n'), { cause }) : cause);
  }
}

/** @param {unknown} cause */
function sourcesBroken(cause) {
  return new SetUpFailure({
    what: 'The sources cannot be bundled',
    why: (cause instanceof Error ? cause.message : String(cause)).trim().split('\n').slice(0, 12).join('\n        '),
    todo: 'correct the sources (`npx tsc --noEmit` shows more), and start again',
    cause,
  });
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
  const folders = readdirSync(builds)
    .filter((name) => name !== 'node_modules' && !name.endsWith('.new'))
    .map((name) => join(builds, name))
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const folder of folders.slice(KEPT)) if (dirname(folder) === builds) rmSync(folder, { recursive: true, force: true });
}
