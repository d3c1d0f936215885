import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isRunning } from '../../tools/processes.mjs';
import { EmptyMachine } from './set-up-run.js';

/**
 * A Python whose pip notes each call, and hangs as long as the file `hang` is there. Everything around it is ours and real.
 */
function machineWithSlowPip(): { machine: EmptyMachine; note: (name: string) => string } {
  const machine = new EmptyMachine().having('temporal-dev-server', 'bin/temporal').having('bike-data', 'data/bikeshare');
  const note = (name: string): string => join(machine.programs, name);
  machine.program(
    'python3',
    `case "$*" in
       *sys.version_info*) echo 3.12.1 ;;
       *--version*) echo "pip 24" ;;
       *venv*) for last; do :; done; mkdir -p "$last/bin"; ln -sf "$0" "$last/bin/python" ;;
       *install*) echo $$ >> "${note('calls')}"; while [ -e "${note('hang')}" ]; do sleep 0.05; done ;;
     esac`,
  );
  writeFileSync(note('hang'), '');
  return { machine, note };
}

const calls = (file: string): number[] => readFileSync(file, 'utf8').trim().split('\n').map(Number);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

it('goes on after a kill -9, and ends what the killed one left running', async () => {
  const { machine, note } = machineWithSlowPip();
  const first = machine.start();
  await first.saw('→ Python packages');
  await until(() => existsSync(note('calls')));
  // A command that begins is written down at once, but not before it begins.
  await until(() => readFileSync(join(machine.tools, 'setup-commands.json'), 'utf8').includes(`"pid": ${calls(note('calls'))[0]}`));
  first.child.kill('SIGKILL');
  await first.ended;
  const [orphan = 0] = calls(note('calls'));
  expect(isRunning(orphan)).toBe(true);
  expect(existsSync(join(machine.tools, 'stamps', 'python-packages.json'))).toBe(false);

  const second = machine.start();
  await until(() => calls(note('calls')).length === 2);
  expect(isRunning(orphan)).toBe(false);
  rmSync(note('hang'));
  expect(await second.ended).toMatchObject({ status: 0 });

  const third = await machine.run();
  expect(third).toMatchObject({ status: 0 });
  expect(third.output).toContain('Everything is there');
  expect(calls(note('calls'))).toHaveLength(2);
});

it('ends its commands on Ctrl-C and says that the next start goes on', async () => {
  const { machine, note } = machineWithSlowPip();
  const run = machine.start();
  await until(() => existsSync(note('calls')));
  run.child.kill('SIGINT');
  const { status, output } = await run.ended;
  expect(status).toBe(130);
  expect(output).toContain('the next start goes on where it was');
  expect(calls(note('calls')).some(isRunning)).toBe(false);
});

it('lets a second one wait for the first, which makes everything', async () => {
  const { machine, note } = machineWithSlowPip();
  const first = machine.start();
  await until(() => existsSync(note('calls')));
  const second = machine.start();
  await second.saw('another set-up');
  rmSync(note('hang'));
  expect(await first.ended).toMatchObject({ status: 0 });
  expect(await second.ended).toMatchObject({ status: 0 });
  expect(calls(note('calls'))).toHaveLength(1);
});

it('makes a step again when its inputs have changed', async () => {
  const { machine, note } = machineWithSlowPip();
  rmSync(note('hang'));
  await machine.run();
  writeFileSync(join(machine.tools, 'stamps', 'python-packages.json'), '{"digest":"of-older-requirements"}');
  expect(await machine.run()).toMatchObject({ status: 0 });
  expect(calls(note('calls'))).toHaveLength(2);
});
