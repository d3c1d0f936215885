import { beforeAll, describe, expect, it } from 'vitest';
import type { ImportReport } from '../../contracts/activities.js';
import type { PackageRef } from '../../contracts/artifacts.js';
import { cardOfVersion } from '../../domain/card.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { openStage, type Stage } from '../gateway/support/stage.js';
import { fieldsDefinition } from '../support/imported-definitions.js';
import { type Brought, importsWorld, madeElsewhere, takingTensors } from './world.js';

let world: Awaited<ReturnType<typeof importsWorld>>;
let stage: Stage;
let made: ReturnType<typeof madeElsewhere>;

beforeAll(async () => {
  world = await importsWorld();
  stage = await openStage();
  made = madeElsewhere();
});

type Packaged = { readonly report: ImportReport; readonly package: PackageRef };

async function packaged(definition: ImportedDefinition, brought: Brought, run = 'run-1'): Promise<Packaged> {
  const input = await world.input(definition, brought, run);
  const report = await world.activities.evaluateImport(input);
  return { report, package: await world.activities.packageImport({ ...input, report }) };
}

const brought = (name: string) => ({ onnx: made.onnx(name), example: made.request(name), expected: made.expected(name) });
const text = async ({ files }: PackageRef, path: string) =>
  Buffer.from(await world.objects.get(files.find((file) => file.path === path)!.digest)).toString('utf8');

describe('the package of an imported file', () => {
  it('holds the file, what it was asked and what it must answer, and how it is served', async () => {
    const definition = takingTensors('probabilities', { cache: { ttlMs: 1000, maxEntries: 10 } });
    const trainedToMs = Date.UTC(2026, 5, 1);
    const { report, package: pack } = await packaged(definition, { ...brought('iris'), framework: 'scikit-learn 1.9.1', trainedToMs });
    expect(pack.files.map(({ path }) => path)).toEqual([
      'card.md',
      'evaluation.json',
      'expected-output.json',
      'input-example.json',
      'manifest.json',
      'model.onnx',
      'serving.json',
    ]);
    expect(JSON.parse(await text(pack, 'serving.json'))).toEqual({
      model: 'digits',
      request: [],
      features: [],
      eventTimeField: null,
      subject: [],
      onnx: { input: 'X', output: 'probabilities' },
      output: { name: 'probabilities' },
      cache: { ttlMs: 1000, maxEntries: 10 },
    });
    expect(JSON.parse(await text(pack, 'manifest.json'))).toMatchObject({
      trainer: 'imported',
      framework: 'scikit-learn 1.9.1',
      trainedToMs,
    });
    expect(JSON.parse(await text(pack, 'input-example.json'))).toEqual(made.request('iris'));
    expect(JSON.parse(await text(pack, 'expected-output.json'))).toEqual(made.expected('iris'));
    expect(JSON.parse(await text(pack, 'evaluation.json'))).toEqual(await world.read(report.object));
  });

  it('has a card that says what is known, and what is not', async () => {
    const trainedToMs = Date.UTC(2026, 5, 1);
    const told = await packaged(
      takingTensors('probabilities'),
      { ...brought('iris'), framework: 'scikit-learn 1.9.1', trainedToMs },
      'run-2',
    );
    const card = cardOfVersion(await text(told.package, 'card.md'), '2.0.0');
    expect(card).toContain('| Version | 2.0.0 |');
    expect(card).toContain('| Data until | 2026-06-01 00:00 UTC |');
    expect(card).toContain('| Framework | scikit-learn 1.9.1, imported and served as ONNX |');
    expect(card).toContain('Its quality was not measured here.');
    expect(card).toMatch(
      /It answers its example as the model of scikit-learn 1\.9\.1 did: 20 values, largest difference .* \(tolerance 0\.0001\)\./,
    );
    expect(card).toContain('| in: X | FP32 | [-1, 4] |\n| out: label | INT64 | [-1] |');
    expect(card).toContain('- latency: P95 of a run on its example at most 50 ms');

    const bare = await packaged(takingTensors('product'), { onnx: made.onnx('pair') });
    const silent = await text(bare.package, 'card.md');
    expect(silent).toContain('| Data until | not known: nobody said which rows it was trained on |');
    expect(silent).toContain('Whether it answers as the model of unknown framework does was not compared');
    expect(bare.package.files.map(({ path }) => path)).not.toContain('expected-output.json');
  });

  it('is made once of the same file', async () => {
    const first = await packaged(takingTensors('y'), { onnx: made.onnx('relative-one') }, 'run-3');
    const again = await packaged(takingTensors('y'), { onnx: made.onnx('relative-one') }, 'run-4');
    expect(again.package).toEqual({ ...first.package, reusedFrom: 'run-3' });
  });
});

describe('an imported file, signed', () => {
  /** Answers of a gateway to the example of a package that was signed and verified as a promotion does. */
  async function served(definition: ImportedDefinition, imported: Packaged) {
    const { activities, registry, objects } = world;
    const model = definition.name;
    const signed = await activities.signPackage({ model, run: 'run-1', useCache: true, package: imported.package, name: `${model}-run-1` });
    registry.set(`${model} 1.0.0`, signed);
    expect(await activities.verifyPackage({ model, version: '1.0.0' })).toEqual({ digest: signed.digest });
    stage.registry.register({ model, version: '1.0.0', package: signed });
    stage.registry.setRoute({ model, variants: [{ version: '1.0.0', weight: 1 }] });
    const gateway = await stage.start({}, { objects, verifier: world.verifier });
    const answer = await fetch(`${gateway.url}/v2/models/${model}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: await text(signed, 'input-example.json'),
    });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { outputs: { name: string; shape: number[]; data: number[] }[] }).outputs;
  }

  it('is promoted, loaded by a gateway, and answers as its native model', async () => {
    const definition = takingTensors('variable', { subject: ['city'] });
    const outputs = await served(definition, await packaged(definition, brought('rent')));
    const expected = made.expected('rent').outputs[0]!;
    expect(outputs).toMatchObject([{ name: 'variable', shape: expected.shape }]);
    outputs[0]!.data.forEach((value, at) => expect(value / (expected.data[at] as number)).toBeCloseTo(1, 4));
  });

  it('is served by its fields', async () => {
    const outputs = await served(fieldsDefinition, await packaged(fieldsDefinition, brought('boosted')));
    const expected = made.expected('boosted').outputs[0]!;
    expect(outputs).toMatchObject([{ name: 'price', shape: expected.shape }]);
    outputs[0]!.data.forEach((value, at) => expect(value).toBeCloseTo(expected.data[at] as number, 4));
  });

  it('is loaded also where it answers a few numbers alone', async () => {
    const definition = { ...takingTensors('y'), name: 'picky' };
    expect(await served(definition, await packaged(definition, brought('picky')))).toMatchObject([{ name: 'y', data: [99] }]);
  });
});
