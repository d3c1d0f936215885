import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createModelTrials } from '../../adapters/onnx/model-trials.js';
import { bytesField, intField, message, modelOf, node, textField, withAttribute } from './support/onnx-builder.js';
import { ask } from './support/requests.js';
import { identity, openStage } from './support/stage.js';
import { trialProgram } from './support/trial-program.js';

const stage = await openStage();
const trials = createModelTrials({ program: trialProgram() });
afterAll(() => trials.close());

const [float, int64, text] = [1, 7, 8];
const tensorOf = (type: number, ...dims: number[]) => {
  const shape = message(bytesField(1, textField(2, 'rows')), ...dims.map((dim) => bytesField(1, intField(1, dim))));
  return bytesField(1, message(intField(1, type), bytesField(2, shape)));
};
const scalar = bytesField(1, intField(1, float));
const sequenceOf = (type: Uint8Array) => bytesField(4, bytesField(1, type));
const mapOf = (value: Uint8Array) => bytesField(5, message(intField(1, text), bytesField(2, value)));
const optionalOf = (type: Uint8Array) => bytesField(9, bytesField(1, type));
const value = (name: string, type: Uint8Array) => message(textField(1, name), bytesField(2, type));

/** A graph between values of any type. */
function modelBetween(inputs: readonly Uint8Array[], nodes: readonly Uint8Array[], outputs: readonly Uint8Array[]): Uint8Array {
  const graph = message(
    ...nodes.map((bytes) => bytesField(1, bytes)),
    textField(2, 'graph'),
    ...inputs.map((bytes) => bytesField(11, bytes)),
    ...outputs.map((bytes) => bytesField(12, bytes)),
  );
  return modelOf(graph, bytesField(8, message(textField(1, 'ai.onnx.ml'), intField(2, 1))));
}

const labels = message(textField(1, 'classlabels_strings'), textField(9, 'no'), textField(9, 'yes'), intField(20, 8));
/** As skl2onnx ends a classifier. */
const zipMapped = modelBetween(
  [value('x', tensorOf(float, 2))],
  [
    withAttribute(message(node('ZipMap', ['x'], ['output_probability']), textField(7, 'ai.onnx.ml')), labels),
    node('Identity', ['x'], ['y']),
  ],
  [value('y', tensorOf(float, 2)), value('output_probability', sequenceOf(mapOf(scalar)))],
);
const sequenceTaken = modelBetween(
  [value('x', sequenceOf(tensorOf(float, 2)))],
  [withAttribute(node('ConcatFromSequence', ['x'], ['y']), message(textField(1, 'axis'), intField(3, 0), intField(20, 2)))],
  [value('y', tensorOf(float, 2))],
);
const optionalTaken = modelBetween(
  [value('x', optionalOf(tensorOf(int64, 2)))],
  [node('OptionalGetElement', ['x'], ['y'])],
  [value('y', tensorOf(int64, 2))],
);

it.each([
  { what: 'answers maps', onnx: zipMapped, reason: /answers "output_probability" as a sequence or a map.*options=\{'zipmap': False\}/ },
  { what: 'takes a sequence', onnx: sequenceTaken, reason: /takes "x" as a sequence, a map or an optional.*with tensors as its inputs/ },
  { what: 'takes an optional', onnx: optionalTaken, reason: /takes "x" as a sequence, a map or an optional.*with tensors as its inputs/ },
])('a model that $what is refused with the way out, and the old one goes on', async ({ what, onnx, reason }) => {
  const model = what.replaceAll(' ', '-');
  const path = join(stage.folder, `${model}.onnx`);
  await writeFile(path, onnx);
  await stage.addLive({ model, version: '1.0.0', onnx: 'linear' });
  const gateway = await stage.start({ folder: join(stage.folder, model) });
  await stage.addVersion({ model, version: '1.1.0', onnx: path, spec: identity });
  const ack = await stage.registry.acknowledged(stage.registry.setRoute({ model, variants: [{ version: '1.1.0', weight: 1 }] }));
  expect(ack.refused).toMatch(reason);
  expect((await ask(gateway, model)).status).toBe(200);
  await gateway.stop();
});

it('that no trial can be made here is held against no model', async () => {
  const limits = { memoryBytes: 300 * 1024 * 1024, limitMs: 30_000 };
  const file = modelBetween([value('x', tensorOf(float, 2))], [node('Identity', ['x'], ['y'])], [value('y', tensorOf(float, 2))]);
  await (await trials.open(file, limits)).close();
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = join(stage.folder, 'not-there');
  try {
    await expect(trials.open(file, limits)).rejects.toMatchObject({ type: 'Unavailable', message: expect.stringContaining('ENOENT') });
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
  await (await trials.open(file, limits)).close();
});
