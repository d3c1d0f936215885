import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OpenDatabase } from '../../adapters/postgres/database.js';
import { addVersion } from '../../test/support/seed-version.js';
import { passThrough, setRoute, storePackage } from '../../test/support/signed-package.js';

/** The models of the benchmark: `bench` with a canary of 5%, and `slow` of about 20 ms a call. */
export const fast = 'bench';
export const slow = 'slow';

export type World = { readonly folder: string; readonly python: string; readonly script: string; readonly home: string };

/** Makes the models, stores and registers them as signed packages, and gives them their routes. */
export async function makeWorld(database: OpenDatabase, world: World): Promise<{ champion: string }> {
  mkdirSync(world.folder, { recursive: true });
  await promisify(execFile)(world.python, [world.script, world.folder]);
  await register(database, world, { model: fast, version: '1.0.0', onnx: 'champion', output: 'variable' });
  await register(database, world, { model: fast, version: '1.0.1', onnx: 'challenger', output: 'variable' });
  await register(database, world, { model: slow, version: '1.0.0', onnx: 'slow', output: 'prediction' });
  const canary = [
    { version: '1.0.0', weight: 0.95 },
    { version: '1.0.1', weight: 0.05 },
  ];
  await route(database, fast, canary);
  await route(database, slow, [{ version: '1.0.0', weight: 1 }]);
  return { champion: join(world.folder, 'champion.onnx') };
}

type Entry = { readonly model: string; readonly version: string; readonly onnx: string; readonly output: string };

async function register({ db }: OpenDatabase, world: World, { model, version, onnx, output }: Entry): Promise<void> {
  const spec = passThrough({ model, input: 'features', output });
  const files = { 'model.onnx': readFileSync(join(world.folder, `${onnx}.onnx`)), 'serving.json': Buffer.from(JSON.stringify(spec)) };
  const pack = await storePackage(world.home, { name: `${model}-${version}`, files });
  await addVersion(db, { model, version, package: pack });
}

function route({ db }: OpenDatabase, model: string, variants: { version: string; weight: number }[]): Promise<void> {
  return setRoute(db, { model, variants, by: 'bench' });
}
