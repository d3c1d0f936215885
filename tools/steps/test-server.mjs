import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../digest.mjs';
import { SetUpFailure } from '../failure.mjs';
import { fromSdk, workFolder } from './sdk-download.mjs';

const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/**
 * Temporal's time-skipping test server: the SDK's download, else out of Maven's packages.
 * @type {import('./step.mjs').Step}
 */
export const testServer = {
  name: 'time-skipping test server',
  why: 'tests of waits that last hours and days run on it',
  megabytes: 100,
  source: 'a Maven package of the test server',
  reach: 'mvn help:effective-settings',
  isWanted: ({ need }) => need.has('test'),
  digest: ({ places }) => digestOf({ root: places.root, paths: ['tools/test-server/pom.xml'], words: [places.tools] }),
  isThere: ({ places }) => existsSync(places.testServer),
  async make(context) {
    const { places } = context;
    const work = workFolder(places.testServer);
    const unfinished = join(work, 'launcher');
    const program = await fromSdk({
      artifact: 'temporal-test-server',
      cachedName: 'temporal-test-server',
      folder: join(work, 'download'),
      context,
    });
    if (program === undefined) await fromMaven(context, unfinished);
    else if (program.startsWith(work)) renameSync(program, unfinished);
    else symlinkSync(program, unfinished);
    renameSync(unfinished, places.testServer);
    rmSync(work, { recursive: true, force: true });
    return program === undefined ? 'from Maven packages' : 'downloaded';
  },
};

/**
 * @param {import('./step.mjs').Context} context
 * @param {string} launcher
 */
async function fromMaven({ places, env, run, detail }, launcher) {
  for (const [program, variable] of [
    ['java', 'JAVA_HOME'],
    ['mvn', 'PATH'],
  ]) {
    if (spawnSync(program ?? '', ['-version'], { env }).status === 0) continue;
    throw new SetUpFailure({
      what: 'The time-skipping test server cannot be had',
      why: `its download (temporal.download) cannot be reached, and taking it from Maven needs Java and Maven: ${program} cannot be run`,
      todo: `install Java 17 and Maven (Debian: apt-get install default-jre-headless maven; then check ${variable}); only the tests need it`,
    });
  }
  const library = join(places.tools, 'test-server', 'lib');
  const unfinished = `${library}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  await run({
    command: 'mvn',
    args: [
      '--batch-mode',
      '--no-transfer-progress',
      '-f',
      join(places.root, 'tools', 'test-server', 'pom.xml'),
      COPY,
      `-DoutputDirectory=${unfinished}`,
    ],
    env,
    onLine: (line) => detail(line.replace(/^\[INFO\] */, '')),
  });
  rmSync(library, { recursive: true, force: true });
  renameSync(unfinished, library);
  // Its start-up matters more than its speed: the SDK waits five seconds for it.
  writeFileSync(
    launcher,
    `#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -cp "${library}/*" io.temporal.testserver.TestServer "$@"\n`,
  );
  chmodSync(launcher, 0o755);
}
