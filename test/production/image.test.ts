import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { freshWorkspace } from '../support/workspace.js';
import { environmentOf, ours, root, stageText, variables } from './compose-file.js';

/** The program of the image's build step, as Node gets it from the shell. */
function buildProgram(): string {
  const step = /RUN node --input-type=module -e "([^"]+)"/.exec(stageText('build'));
  return (step?.[1] ?? '').replaceAll('\\\n', '\n');
}

describe("the image's build step", () => {
  let dist: string;

  beforeAll(() => {
    const folder = freshWorkspace().home;
    // Beside the link to node_modules that the step makes, as dist lies beside node_modules in the image.
    dist = join(folder, 'build', 'dist');
    const program = buildProgram().replaceAll('/tmp/perennial', folder).replace("'dist'", JSON.stringify(dist));
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, encoding: 'utf8' });
    expect(stderr.replaceAll(/^.*(Warning|trace-warnings).*$/gm, '').trim()).toBe('');
    expect(status).toBe(0);
  });

  test('makes the workflow bundle and every program that is started', () => {
    expect(existsSync(join(dist, 'workflow-bundle.js'))).toBe(true);
    for (const [name, service] of ours) expect(existsSync(join(dist, service.command?.[0]?.replace('dist/', '') ?? '')), name).toBe(true);
  });

  test.each(ours)('%s: its program loads, and says in one line which variable it lacks', (_, service) => {
    const { DATABASE_URL, ...environment } = environmentOf(service, variables);
    expect(DATABASE_URL).toBeDefined();
    const program = join(dist, service.command?.[0]?.replace('dist/', '') ?? '');
    const { status, stderr } = spawnSync(process.execPath, [program], { env: { ...environment, NODE_OPTIONS: '' }, encoding: 'utf8' });
    expect(stderr).toMatch(/^[a-z ]+: DATABASE_URL is not set: expected .*\n$/);
    expect(status).toBe(1);
  });
});
