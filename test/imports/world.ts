import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, inject } from 'vitest';
import { createArtifactActivities } from '../../activities/artifact.activities.js';
import { createImportActivities } from '../../activities/imports.activities.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import type { PackageRef } from '../../contracts/artifacts.js';
import type { ImportedModel } from '../../contracts/imported-model.js';
import { parseDefinition } from '../../contracts/define-model.js';
import { isImported, type ImportedDefinition } from '../../domain/model-definition.js';
import { createPackageTrials } from '../../gateway/models/package-trials.js';
import { dataWorld } from '../data/world.js';
import { trialProgram } from '../gateway/support/trial-program.js';
import { newKey } from '../signing/reference.js';
import { testPlaces } from '../support/servers.js';
import { tensorsDefinition } from '../support/imported-definitions.js';

type Told = Pick<ImportedModel, 'framework' | 'tolerance' | 'trainedToMs'>;
/** A file and what comes with it: bytes, or values that become JSON. */
export type Brought = Told & { readonly onnx: Uint8Array; readonly example?: unknown; readonly expected?: unknown };

/** The real activities of imports, with the object store in files, and a trial process. */
export async function importsWorld() {
  const { objects, cache, stored } = await dataWorld();
  const trials = createModelTrials({ program: trialProgram() });
  afterAll(() => trials.close());
  const key = newKey();
  const verifier = createPackageVerifier({ trustedKeys: [key.publicKeyPem] });
  const registry = new Map<string, PackageRef>();
  const activities = {
    ...createImportActivities({ objects, cache, trials: createPackageTrials(trials) }),
    ...createArtifactActivities({
      objects,
      signer: createPackageSigner(key.privateKeyPem),
      verifier,
      packageOf: async (model, version) => registry.get(`${model} ${version}`)!,
    }),
  };
  const put = (value: unknown) =>
    objects.put(
      value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
      'application/json',
    );
  const input = async (definition: ImportedDefinition, { onnx, example, expected, ...told }: Brought, run = 'run-1') => ({
    model: definition.name,
    run,
    useCache: true,
    definition,
    imported: {
      ...told,
      onnx: await put(onnx),
      ...(example === undefined ? {} : { example: await put(example) }),
      ...(expected === undefined ? {} : { expected: await put(expected) }),
    },
  });
  return {
    objects,
    stored,
    registry,
    verifier,
    activities,
    input,
    evaluate: async (definition: ImportedDefinition, brought: Brought, run?: string) =>
      activities.evaluateImport(await input(definition, brought, run)),
    /** A stored JSON object. */
    read: async ({ digest }: { digest: string }) => JSON.parse(Buffer.from(await objects.get(digest)).toString('utf8')) as unknown,
  };
}

/** Models that are made now by other frameworks; `of` answers one with its request and what it natively answered. */
export function madeElsewhere() {
  const folder = mkdtempSync(join(inject('testServers').folder, 'imports-'));
  execFileSync(testPlaces().python, [join(import.meta.dirname, 'fixtures', 'make-imports.py'), folder]);
  const json = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as unknown;
  return {
    onnx: (name: string): Uint8Array => readFileSync(join(folder, `${name}.onnx`)),
    request: (name: string) => json(`${name}.request.json`) as { inputs: { name: string; shape: number[]; data: unknown[] }[] },
    expected: (name: string) =>
      json(`${name}.expected.json`) as { outputs: { name: string; datatype: string; shape: number[]; data: unknown[] }[] },
    /** As it was written, where a number would lose digits. */
    expectedText: (name: string) => readFileSync(join(folder, `${name}.expected.json`), 'utf8'),
  };
}

/** A fixture of the gateway's tests. */
export const gatewayFixture = (name: string): Uint8Array => readFileSync(new URL(`../gateway/fixtures/${name}.onnx`, import.meta.url));

/** A checked definition of a model whose callers send its tensors. */
export function takingTensors(output: string, serving: Partial<ImportedDefinition['serving']> = {}): ImportedDefinition {
  const definition = parseDefinition({
    ...tensorsDefinition,
    serving: { ...tensorsDefinition.serving, output: { name: output }, ...serving },
  });
  if (!isImported(definition)) throw new Error('the definition is one of an imported model');
  return definition;
}
