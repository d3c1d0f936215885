import { beforeAll, describe, expect, it } from 'vitest';
import { PerennialError } from '../../domain/errors.js';
import type { ImportedDefinition } from '../../domain/model-definition.js';
import { fieldsDefinition } from '../support/imported-definitions.js';
import { type Brought, gatewayFixture, importsWorld, madeElsewhere, takingTensors } from './world.js';

let world: Awaited<ReturnType<typeof importsWorld>>;
let made: ReturnType<typeof madeElsewhere>;

beforeAll(async () => {
  world = await importsWorld();
  made = madeElsewhere();
});

/** Why a file is refused. It is stored nowhere then, and nothing of the step is kept. */
async function refusal(definition: ImportedDefinition, brought: Brought): Promise<string> {
  const kept = world.stored.size;
  const error = await world.evaluate(definition, brought).then(
    () => null,
    (cause: unknown) => cause,
  );
  if (!(error instanceof PerennialError)) throw error ?? new Error('it was not refused');
  expect(error.type).toBe('ArtifactRejected');
  expect(world.stored.size).toBe(kept);
  return error.message;
}

const irisTold = () => ({ onnx: made.onnx('iris'), example: made.request('iris'), expected: made.expected('iris') });
const probabilities = takingTensors('probabilities');
const row = (name: string, data: readonly unknown[], datatype = 'FP32') => ({
  inputs: [{ name, datatype, shape: [1, data.length], data }],
});

describe('what the native model answered', () => {
  it('must be answered: one value that is off by a thousandth is told', async () => {
    const { onnx, example, expected } = irisTold();
    const right = expected.outputs[1]!.data[7] as number;
    expected.outputs[1]!.data[7] = right + 1e-3;
    const reason = await refusal(probabilities, { onnx, example, expected });
    expect(reason).toMatch(
      /^model\.onnx answers 0\.9377\d* in element 7 of "probabilities", where 0\.9387\d* is expected \(tolerance 0\.0001/,
    );
    expect(await world.evaluate(probabilities, { onnx, example, expected, tolerance: 2e-3 })).toMatchObject({
      parity: { tolerance: 2e-3 },
    });
  });

  it('must be of outputs that the file has, in their datatype and shape', async () => {
    const { onnx, example, expected } = irisTold();
    const [label, second] = expected.outputs as [(typeof expected.outputs)[0], (typeof expected.outputs)[0]];
    const expecting = (output: object) =>
      refusal(probabilities, { onnx, example, expected: { outputs: [label, { ...second, ...output }] } });
    expect(await expecting({ name: 'logits' })).toContain('answers "label", "probabilities", and the expected answer has "logits"');
    expect(await expecting({ datatype: 'FP64' })).toContain('answers "probabilities" as FP32 [5,3], where FP64 [5,3] is expected');
    expect(await expecting({ shape: [15] })).toContain('where FP32 [15] is expected');
    expect(await expecting({ data: second.data.slice(1) })).toContain('has 14 elements of "probabilities", where its shape [5,3] says 15');
    expect(await expecting({ data: [null, ...second.data.slice(1)] })).toContain('where null is expected');
    // A class is right or wrong, however tolerant.
    label.data[0] = 1;
    expect(await refusal(probabilities, { onnx, example, expected, tolerance: 10 })).toContain(
      'answers 0 in element 0 of "label", where 1',
    );
  });

  it('must be readable, and come with the request', async () => {
    const { onnx, example, expected } = irisTold();
    expect(await refusal(probabilities, { onnx, expected })).toContain('--example request.json');
    expect(await refusal(probabilities, { onnx, example, expected: '{"outputs"' })).toContain('no JSON');
    expect(await refusal(probabilities, { onnx, example, expected: { outputs: [] } })).toContain(
      'give an Open Inference Protocol response',
    );
  });
});

describe('an example', () => {
  it('that the file does not take is told by its input', async () => {
    const onnx = made.onnx('iris');
    expect(await refusal(probabilities, { onnx, example: row('x', [1, 2, 3, 4]) })).toBe(
      'model.onnx cannot be asked the example: input "x" is not known: the model takes X',
    );
    expect(await refusal(probabilities, { onnx, example: row('X', [1, 2, 3]) })).toContain('has shape [1,3]: [-1,4] is expected');
    expect(await refusal(probabilities, { onnx, example: '[' })).toContain('the example is no JSON');
    expect(await refusal(probabilities, { onnx, example: 'null' })).toContain('the example is null');
  });

  it('that holds whole numbers which JSON rounds is refused, not rounded', async () => {
    const example = '{"inputs":[{"name":"n","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}';
    expect(await refusal(takingTensors('sum'), { onnx: made.onnx('long-numbers'), example })).toContain(
      'a whole number with all its digits',
    );
  });

  it('is asked for where the file refuses the one that was made', async () => {
    const onnx = made.onnx('picky');
    const reason = await refusal(takingTensors('y'), { onnx });
    expect(reason).toMatch(
      /^model\.onnx does not answer a request that is made of its inputs: .*; give a request that it answers: --example/s,
    );
    const report = await world.evaluate(takingTensors('y'), { onnx, example: made.request('picky'), expected: made.expected('picky') });
    expect(report.parity).toMatchObject({ values: 1 });
  });

  it('that is answered NaN is told, with the element', async () => {
    const onnx = gatewayFixture('not-a-number');
    const reason = await refusal(takingTensors('prediction'), { onnx, example: row('features', [-5, 0]) });
    expect(reason).toBe(
      'model.onnx does not answer the example: the model answered NaN in element 0 of "prediction": a finite number is expected',
    );
    expect(await world.evaluate(takingTensors('prediction'), { onnx })).toMatchObject({ parity: null });
  });
});

describe('a file', () => {
  it('that is no model, keeps data outside or has operators of others is not opened', async () => {
    const definition = takingTensors('y');
    expect(await refusal(definition, { onnx: Buffer.from('a picture of a cat') })).toContain('is not an ONNX model');
    expect(await refusal(definition, { onnx: made.onnx('outside') })).toContain('keeps tensor w outside, in weights.bin');
    expect(await refusal(definition, { onnx: made.onnx('library-operator') })).toContain('uses the operator own.functions:Thrice');
  });

  it('that crashes is refused, and the next one is looked at', async () => {
    expect(await refusal(takingTensors('prediction'), { onnx: gatewayFixture('crashing') })).toMatch(
      /^model\.onnx is not imported: it crashed/,
    );
    expect(await world.evaluate(takingTensors('prediction'), { onnx: gatewayFixture('linear') })).toMatchObject({ parity: null });
  });

  it('that crashes on zeros alone would be refused by every gateway, and is here', async () => {
    const example = row('features', [5, 1]);
    expect(await refusal(takingTensors('prediction'), { onnx: gatewayFixture('crashing'), example })).toContain('it crashed');
  });

  it('must have the outputs and inputs that the definition names', async () => {
    const onnx = made.onnx('iris');
    expect(await refusal(takingTensors('scores'), { onnx })).toContain(
      'answers "label", "probabilities", and serving.output.name of digits is "scores"',
    );
    expect(await refusal(takingTensors('label', { subject: ['flower'] }), { onnx })).toContain(
      'takes "X", and serving.subject of digits names "flower"',
    );
    const redacting = takingTensors('label', { capture: { redact: [{ field: 'name', how: 'drop' }] } });
    expect(await refusal(redacting, { onnx })).toContain('serving.capture.redact of digits names "name"');
  });

  it('cannot have a whole picture as its subject', async () => {
    const reason = await refusal(takingTensors('logits', { subject: ['pixel_values'] }), { onnx: made.onnx('picture') });
    expect(reason).toContain('has no input "pixel_values" of at most 64 values a row');
  });

  it('must take and answer tensors that JSON has a form for', async () => {
    expect(await refusal(takingTensors('output_label'), { onnx: made.onnx('iris-map') })).toMatch(
      /"output_probability" as a sequence or a map.*zipmap/s,
    );
    expect(await refusal(takingTensors('y'), { onnx: gatewayFixture('identity-half') })).toMatch(/has "x" as FP16.*keep_io_types/s);
    expect(await refusal(takingTensors('y'), { onnx: made.onnx('constant') })).toContain('takes no inputs');
  });

  it('must take a matrix as wide as the features, where there are some', async () => {
    const [area] = fieldsDefinition.features;
    const reason = await refusal({ ...fieldsDefinition, features: [area!] }, { onnx: made.onnx('boosted') });
    expect(reason).toContain('takes features: float32 [-1,2]: expected float32 [-1,1], the 1 features of house-price (area)');
    expect(await refusal(fieldsDefinition, { onnx: made.onnx('iris') })).toContain('expected float32 [-1,2]');
  });
});

describe('a file whose rows depend on each other', () => {
  it('is refused, as the gateway runs requests together', async () => {
    const reason = await refusal(takingTensors('y'), { onnx: made.onnx('relative') });
    expect(reason).toMatch(/answers 0 alone and -?\d[\d.e-]* in a batch in element 0 of "y" for row 0 of the example/);
    expect(reason).toContain('with a first dimension of fixed size');
    // One scale for all rows of a batch: what dynamic quantisation makes of a layer.
    expect(await refusal(takingTensors('y'), { onnx: made.onnx('quantised') })).toContain('without dynamic quantisation');
  });

  it('is served with a first dimension of fixed size', async () => {
    expect(await world.evaluate(takingTensors('y'), { onnx: made.onnx('relative-one') })).toMatchObject({ parity: null });
  });

  it('and one that says it takes batches, and takes one row, is told apart', async () => {
    expect(await refusal(takingTensors('y'), { onnx: made.onnx('one-at-a-time') })).toMatch(
      /^model\.onnx refuses a batch of rows that it answers alone/,
    );
  });
});
