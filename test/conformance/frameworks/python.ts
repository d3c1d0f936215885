import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { programOf, type Shown } from './page-snippets.js';

const execute = promisify(execFile);
const limitMs = 300_000;

/** Where the programs of the page and the suite run. */
export type PythonPlace = { readonly root: string; readonly tools: string };

/** Runs a program of the page in `folder`; its model, its example and what its native model answers to all rows lie there then. */
export async function runShown(place: PythonPlace, program: { folder: string; shown: Shown; name: string; code: string }) {
  const { folder, shown, name, code } = program;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'oip.py'), programOf(shown, 'oip.py'));
  await writeFile(join(folder, name), code);
  await python(place, { folder, args: [await suiteFile(place, folder, 'ask_native.py'), name] });
}

/** Lays the files that others exported below `folder`, with what they must answer. */
export async function layExported(place: PythonPlace, { folder, shown }: { folder: string; shown: Shown }): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'oip.py'), programOf(shown, 'oip.py'));
  await python(place, { folder, args: [await suiteFile(place, folder, 'exported_files.py'), folder] });
}

/** Copied, so that Python leaves nothing in the clone. */
async function suiteFile({ root }: PythonPlace, folder: string, name: string): Promise<string> {
  await copyFile(join(root, 'test/conformance/frameworks', name), join(folder, name));
  return name;
}

/** The trainers' Python, which has scikit-learn, LightGBM and the converters; what else the suite needs lies beside it. */
async function python({ tools }: PythonPlace, { folder, args }: { folder: string; args: readonly string[] }): Promise<void> {
  const libraries = join(tools, 'python-frameworks', 'lib');
  const versions = await readdir(libraries).catch(() => []);
  const paths = versions.map((version) => join(libraries, version, 'site-packages'));
  await execute(join(tools, 'python', 'bin', 'python'), args, {
    cwd: folder,
    timeout: limitMs,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PYTHONPATH: paths.join(':'), PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '1' },
  });
}
