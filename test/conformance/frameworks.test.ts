import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureSigningKey } from '../../adapters/keys/signing-key.js';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { createPackageSigner } from '../../adapters/signing/package-signer.js';
import { createPackageVerifier } from '../../adapters/signing/package-verifier.js';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage } from '../gateway/support/stage.js';
import { trialProgram } from '../gateway/support/trial-program.js';
import { testPlaces } from '../support/servers.js';
import { askGateway } from './frameworks/ask-gateway.js';
import { runShownModels } from './frameworks/frameworks.js';
import { importModel, type ImportWorld } from './frameworks/import-model.js';
import { definitionNamed, readShown, type Shown } from './frameworks/page-snippets.js';
import { runShown } from './frameworks/python.js';
import type { Case, Target } from './suites.js';

// The trainers' environment has scikit-learn and LightGBM; the frameworks that `npm run conformance` adds are not there.
const stage = await openStage();
const root = fileURLToPath(new URL('../..', import.meta.url));
const place = { root, tools: testPlaces().tools };
const trials = createModelTrials({ program: trialProgram() });
let shown: Shown;
let gateway: Gateway;
let world: ImportWorld;

beforeAll(async () => {
  shown = await readShown(root);
  const { privateKeyPem, publicKeyPem } = await ensureSigningKey(join(stage.folder, 'keys'));
  const verifier = createPackageVerifier({ trustedKeys: [publicKeyPem] });
  const { routes, captures, outcomes } = stage.registry;
  gateway = await stage.start({}, { routes, captures, outcomes, verifier });
  world = {
    objects: stage.objects,
    signer: createPackageSigner(privateKeyPem),
    verifier,
    trials,
    serve: ({ model, version, package: pack }) => {
      stage.registry.register({ model, version, package: pack });
      stage.registry.setRoute({ model, variants: [{ version, weight: 1 }] });
      return Promise.resolve();
    },
  };
  return () => trials.close();
});

const host = (): string => new URL(gateway.url).host;

describe('the programs of the page about imports', () => {
  it.each(['scikit-learn.py', 'disease-progression.py', 'lightgbm-classifier.py'])(
    'make models that answer as they do: %s',
    async (name) => {
      const target: Target = { ...place, http: host(), grpc: '', asyncFolder: stage.folder, log: stage.folder, pairs: null };
      const cases: Case[] = [];
      const chosen = { shown, folder: join(stage.folder, name), only: (program: string) => program === name };
      for await (const found of runShownModels({ ...target, world }, chosen)) cases.push(found);
      expect(cases.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
      // One of the programs makes a forest too.
      expect(cases).toHaveLength(name === 'scikit-learn.py' ? 2 : 1);
    },
  );

  it('have names by which the suite finds them', () => {
    expect([...shown.programs.keys()]).toEqual(expect.arrayContaining(['oip.py', 'scikit-learn.py', 'pytorch.py', 'keras.py']));
    expect([...shown.definitions.keys()]).toEqual(['handwritten-digits', 'disease-progression']);
  });
});

describe('what the suite compares', () => {
  const folder = join(stage.folder, 'compared');
  const definition = () => ({ ...definitionNamed(shown, 'handwritten-digits'), name: 'digits' });

  beforeAll(async () => {
    await runShown(place, { folder, shown, name: 'scikit-learn.py', code: shown.programs.get('scikit-learn.py')! });
  });

  it('is every value of every answer', async () => {
    await importModel(world, { definition: definition(), folder });
    const asked = (await readFile(join(folder, 'asks.jsonl'), 'utf8')).trimEnd();
    // 1,797 images, each with a label and ten probabilities.
    expect(await askGateway(host(), { model: 'digits', folder })).toBe(1_797 * 11);
    const [first = ''] = asked.split('\n');
    await appendFile(join(folder, 'asks.jsonl'), `${first.replace('"data": [0, 1, 2, ', '"data": [0, 1, 3, ')}\n`);
    await expect(askGateway(host(), { model: 'digits', folder })).rejects.toThrow('label[2] is 2, and the native model answers 3');
  });

  it('is at the import what the native model answered to the example', async () => {
    const answer = join(folder, 'answer.json');
    await writeFile(answer, (await readFile(answer, 'utf8')).replace('"data": [0, 1, 2, ', '"data": [0, 1, 3, '));
    await expect(importModel(world, { definition: definition(), folder })).rejects.toThrow(/answers 2 in element 2 of "label"/);
  });
});
