import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { placesFor } from '../../tools/places.mjs';
import { EmptyMachine } from './set-up-run.js';

/** The last three lines: what, why, what to do. */
function message(output: string): string {
  return output.slice(output.indexOf('✗'));
}

describe('set-up fails with one message that says what, why and what to do', () => {
  it('without Python', async () => {
    const { status, output } = await new EmptyMachine().without('python').run();
    expect(status).toBe(1);
    expect(message(output)).toMatch(
      /^✗ Python 3\.11 or newer is needed\n {2}why: {2}no python3 is on the PATH\n {2}do: .*PERENNIAL_PYTHON/,
    );
  });

  it('with a Python that is too old', async () => {
    const { status, output } = await new EmptyMachine().without('python').program('python3', 'echo 3.9.2').run();
    expect(status).toBe(1);
    expect(message(output)).toContain('why:  python3 is 3.9.2');
  });

  it('with a PERENNIAL_PYTHON that is not there', async () => {
    const { status, output } = await new EmptyMachine().set('PERENNIAL_PYTHON', '/nowhere/python3').run();
    expect(status).toBe(1);
    expect(message(output)).toContain('PERENNIAL_PYTHON=/nowhere/python3 cannot be run');
  });

  it('without room on the disk, before anything is begun', async () => {
    const disk = 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/sda1 1000000 900000 102400 90% /"';
    const { status, output } = await new EmptyMachine().program('df', disk).run();
    expect(status).toBe(1);
    expect(message(output)).toMatch(/✗ \d\.\d GB of free disk are needed\n {2}why: .* 0\.1 GB are free\n {2}do: .*PERENNIAL_HOME/);
    expect(output).not.toContain('→');
  });

  it('without the network, and names what could not be fetched', async () => {
    const { status, output } = await new EmptyMachine().set('TEMPORAL_CLI_PATH', testTemporalProgram()).run();
    expect(status).toBe(1);
    expect(message(output)).toMatch(
      /could not be made\n {2}why: {2}(a|the) Python package.* could not be fetched \(.*\n {2}do: .*proxy settings/,
    );
  }, 60_000);

  it('without the network for the Go modules', async () => {
    const machine = havingPython().set('GOMODCACHE', mkdtempSync(join(inject('testServers').folder, 'go-')));
    const { status, output } = await machine.run();
    expect(status).toBe(1);
    expect(output).toContain("the SDK's download of the Temporal server cannot be reached");
    expect(message(output)).toMatch(
      /Temporal dev server: could not be made\n {2}why: {2}a Go module of the Temporal server could not be fetched/,
    );
  }, 60_000);

  it('without Go where only a build is left', async () => {
    const { status, output } = await havingPython().without('go').run();
    expect(status).toBe(1);
    expect(message(output)).toMatch(/no go is on the PATH\n {2}do: .*TEMPORAL_CLI_PATH.*TEMPORAL_ADDRESS/);
  }, 60_000);
});

describe('a temporal program that is there already', () => {
  it('is used', async () => {
    const { status, output } = await havingPython().set('TEMPORAL_CLI_PATH', testTemporalProgram()).run();
    expect(output).toContain(`✓ Temporal dev server`);
    expect(status).toBe(0);
  });

  it('is passed over with a line when its server is too old', async () => {
    const machine = havingPython().without('go').program('temporal', 'echo "temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)"');
    const { output } = await machine.run();
    expect(output).toMatch(/temporal is passed over: its server is 1\.25\.0, 1\.29 or newer is needed/);
  }, 60_000);

  it('is not needed with a TEMPORAL_ADDRESS', async () => {
    const { status, output } = await havingPython().set('TEMPORAL_ADDRESS', 'temporal.example:7233').run();
    expect(output).toContain('Everything is there');
    expect(status).toBe(0);
  });
});

function havingPython(): EmptyMachine {
  return new EmptyMachine().having('python-packages', 'python').having('bike-data', 'data/bikeshare');
}

function testTemporalProgram(): string {
  return placesFor({ PERENNIAL_TOOLS: inject('testServers').tools }).temporal;
}
