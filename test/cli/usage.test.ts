import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyHome, run } from './run.js';

const verbs =
  'up apply status train runs versions show approve reject promote rollback rollout pause resume investigations predict client schedules policy keys audit upkeep'.split(
    ' ',
  );

describe('help', () => {
  test('lists every verb', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
  });

  test.each(verbs.filter((verb) => verb !== 'up'))('of %s has an example that begins with ./perennial', async (verb) => {
    const { code, stdout } = await run([verb, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\$ \.\/perennial /);
  });
});

describe('wrong usage ends with code 2', () => {
  test.each([
    ['an unknown verb, with the one that was meant', ['stauts'], /Did you mean status/],
    ['a missing argument', ['approve', 'demand-forecast'], /missing required argument 'version'/],
    ['an unknown option', ['status', '--colour'], /unknown option '--colour'/],
    ['a time that is none', ['train', 'demand-forecast', '--as-of', 'soon'], /a time such as 2011-11-01/],
    ['a count that is none', ['runs', '--limit', '0'], /at least 1/],
    ['an action that a rollout does not know', ['rollout', 'demand-forecast', 'jump'], /Allowed choices are promote, abort, resume-step/],
    ['an outcome that no entry has', ['audit', '--outcome', 'fine'], /Allowed choices are done, refused, failed/],
    ['a missing option', ['investigations', 'close', 'x'], /required option '-r, --reason <text>'/],
  ])('%s', async (_what, args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });
});

describe('a stack that does not run', () => {
  test('is named with the way out', async () => {
    const { code, stderr, stdout } = await run(['status']);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /It is not known where the control API is: .*endpoints\.json does not say\. Start the stack with \.\/perennial up/,
    );
  });

  test('is one JSON document with --json', async () => {
    const { code, stdout } = await run(['status', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { type: 'Unavailable' } });
  });

  test('that was there once, too', async () => {
    const place = emptyHome();
    writeFileSync(join(place, 'endpoints.json'), JSON.stringify({ api: 'http://127.0.0.1:1', temporalAddress: '127.0.0.1:1' }));
    const untold = await run(['runs'], { env: { PERENNIAL_HOME: place } });
    expect(untold.stderr).toMatch(/token is not in .*token\. Start the stack/);
    writeFileSync(join(place, 'token'), 'x'.repeat(43));
    const away = await run(['runs'], { env: { PERENNIAL_HOME: place } });
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(/The control API does not answer at http:\/\/127\.0\.0\.1:1: .*\.\/perennial up/);
    const noTemporal = await run(['train', 'demand-forecast'], { env: { PERENNIAL_HOME: place } });
    expect(noTemporal.stderr).toMatch(/No Temporal server answers at 127\.0\.0\.1:1/);
  });

  test('with an endpoints file that is no JSON says which', async () => {
    const place = emptyHome();
    writeFileSync(join(place, 'endpoints.json'), '{');
    expect((await run(['runs'], { env: { PERENNIAL_HOME: place } })).stderr).toMatch(/endpoints\.json is no JSON/);
  });
});
