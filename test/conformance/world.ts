import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenDatabase } from '../../adapters/postgres/database.js';
import { addVersion } from '../support/seed-version.js';
import { passThrough, setRoute, storePackage } from '../support/signed-package.js';

type Served = {
  readonly model: string;
  readonly versions: readonly string[];
  /** File of the versions, in their order; the last one serves the rest. */
  readonly onnx: readonly string[];
  readonly input: string;
  readonly output: string;
  readonly example?: unknown;
};

const conformance = 'test/conformance/models';
const fixtures = 'test/gateway/fixtures';

const first = ['1.0.0'];
const sixteen = { input: 'INPUT0', output: 'OUTPUT0' };
const numbersAsText = (name: string) => ({ name, datatype: 'BYTES', shape: [1, 16], data: Array.from({ length: 16 }, (_, i) => `${i}`) });

/** The models that stock clients, their examples and their tests ask for. */
const served: readonly Served[] = [
  { model: 'simple', versions: first, onnx: [`${conformance}/simple`], ...sixteen },
  { model: 'simple_int8', versions: first, onnx: [`${conformance}/simple_int8`], ...sixteen },
  {
    model: 'simple_string',
    versions: first,
    onnx: [`${conformance}/simple_string`],
    ...sixteen,
    example: { inputs: [numbersAsText('INPUT0'), numbersAsText('INPUT1')] },
  },
  { model: 'simple_identity', versions: first, onnx: [`${conformance}/simple_identity`], ...sixteen },
  { model: 'simple_fp32', versions: first, onnx: [`${conformance}/simple_fp32`], ...sixteen },
  { model: 'dummy', versions: first, onnx: [`${conformance}/dummy`], input: 'input-0', output: 'output-0' },
  { model: 'dummy_fp16', versions: first, onnx: [`${conformance}/dummy_fp16`], input: 'input-0', output: 'output-0' },
  { model: 'sum-model', versions: ['1.2.3'], onnx: [`${conformance}/sum-model`], input: 'input-0', output: 'total' },
  { model: 'iris', versions: ['1.0.0'], onnx: [`${conformance}/iris`], input: 'measures', output: 'logits' },
  {
    model: 'versioned',
    versions: ['1.0.0', '3.0.0'],
    onnx: [`${conformance}/iris`, `${conformance}/iris-plus-100`],
    input: 'measures',
    output: 'logits',
  },
  { model: 'slow', versions: first, onnx: [`${fixtures}/slow`], input: 'features', output: 'prediction' },
  { model: 'failing', versions: first, onnx: [`${fixtures}/failing`], input: 'features', output: 'prediction' },
  { model: 'every_type', versions: first, onnx: [`${fixtures}/every-type`], input: 'float32', output: 'float32_out' },
];

/** Stores, signs and registers the models, and gives each its route. Version 3.0.0 of `versioned` is registered, and not routed. */
export async function makeWorld({ db }: OpenDatabase, { root, home }: { root: string; home: string }): Promise<void> {
  for (const { model, versions, onnx, input, output, example } of served) {
    for (const [index, version] of versions.entries()) {
      const files = {
        'model.onnx': readFileSync(join(root, `${onnx[index] ?? onnx.at(-1)}.onnx`)),
        'serving.json': Buffer.from(JSON.stringify(passThrough({ model, input, output }))),
        ...(example === undefined ? {} : { 'input-example.json': Buffer.from(JSON.stringify(example)) }),
      };
      await addVersion(db, { model, version, package: await storePackage(home, { name: `${model}-${version}`, files }) });
    }
    await setRoute(db, { model, variants: [{ version: versions[0]!, weight: 1 }], by: 'conformance' });
  }
}
