import { beforeAll, describe, expect, it } from 'vitest';
import type { ImportReport } from '../../contracts/activities.js';
import { digestOf } from '../../contracts/digest.js';
import { fieldsDefinition } from '../support/imported-definitions.js';
import { gatewayFixture, importsWorld, madeElsewhere, takingTensors } from './world.js';

let world: Awaited<ReturnType<typeof importsWorld>>;
let made: ReturnType<typeof madeElsewhere>;
let iris: ImportReport;
const classifier = takingTensors('probabilities');

const brought = (name: string) => ({ onnx: made.onnx(name), example: made.request(name), expected: made.expected(name) });
const evaluation = async (report: ImportReport) => (await world.read(report.object)) as Record<string, unknown>;

beforeAll(async () => {
  world = await importsWorld();
  made = madeElsewhere();
  iris = await world.evaluate(classifier, brought('iris'));
});

describe('a file from elsewhere', () => {
  it('is asked its example, and answers what its native model answers', async () => {
    // Labels and probabilities of five flowers.
    expect(iris.parity).toMatchObject({ values: 5 + 15, tolerance: 1e-4 });
    expect(iris.parity!.largestDifference).toBeGreaterThan(0);
    expect(iris.parity!.largestDifference).toBeLessThan(1e-5);
    expect(iris.framework).toBe('skl2onnx 1.20.0');
    expect(iris.latencyP95Ms).toBeGreaterThan(0);
    expect(await evaluation(iris)).toEqual({
      model: 'digits',
      onnx: expect.stringMatching(/^sha256:/),
      framework: 'skl2onnx 1.20.0',
      opsets: expect.arrayContaining([expect.stringMatching(/^ai\.onnx\.ml \d/)]),
      inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
      ],
      parity: iris.parity,
      latencyP95Ms: iris.latencyP95Ms,
      runs: 200,
      answers: expect.stringMatching(/^sha256:/),
    });
    expect(await world.read(iris.example)).toEqual(made.request('iris'));
  });

  it('has the shape of its tensors and of its framework', async () => {
    const signature = {
      inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
      ],
    };
    expect(iris.shape).toMatchObject({ trainer: 'imported', schemaDigest: digestOf({ signature, output: { name: 'probabilities' } }) });
    const named = await world.evaluate(classifier, brought('iris-named'));
    expect(named.shape.schemaDigest).not.toBe(iris.shape.schemaDigest);
    expect(named.shape.recipeDigest).toBe(iris.shape.recipeDigest);
  });

  it('may answer texts, which must be equal', async () => {
    const { parity } = await world.evaluate(classifier, brought('iris-named'));
    expect(parity!.values).toBe(20);
    const expected = made.expected('iris-named');
    expected.outputs[0]!.data[1] = 'versicolor';
    await expect(world.evaluate(classifier, { ...brought('iris-named'), expected })).rejects.toMatchObject({
      message: expect.stringContaining('answers "setosa" in element 1 of "label", where "versicolor" is expected (equal)'),
    });
  });

  it('may take columns of texts, whole numbers and floats', async () => {
    const report = await world.evaluate(takingTensors('variable', { subject: ['city', 'rooms'] }), brought('rent'));
    expect(report.parity).toMatchObject({ values: 3 });
    expect((await evaluation(report))['inputs']).toEqual([
      { name: 'city', datatype: 'BYTES', shape: [-1, 1] },
      { name: 'rooms', datatype: 'INT64', shape: [-1, 1] },
      { name: 'area', datatype: 'FP32', shape: [-1, 1] },
    ]);
  });

  it('may take one picture of one size, as exporters trace it', async () => {
    const definition = takingTensors('logits');
    const told = await world.evaluate(definition, brought('picture'));
    expect(told.parity).toMatchObject({ values: 4 });
    const { example } = await world.evaluate(definition, { onnx: made.onnx('picture') });
    const { inputs } = (await world.read(example)) as { inputs: { shape: number[]; data: number[] }[] };
    expect(inputs[0]!.shape).toEqual([1, 3, 224, 224]);
    expect(new Set(inputs[0]!.data).size).toBeGreaterThan(1000);
  });

  it('may have functions of its own, as PyTorch exports them', async () => {
    const report = await world.evaluate(takingTensors('y'), { onnx: made.onnx('own-function') });
    expect(report.framework).toBe('pytorch');
  });

  it('answers whole numbers with all their digits', async () => {
    const definition = takingTensors('sum');
    const [onnx, example] = [made.onnx('long-numbers'), made.request('long-numbers')];
    const expected = made.expectedText('long-numbers');
    expect(await world.evaluate(definition, { onnx, example, expected })).toMatchObject({ parity: { values: 2, largestDifference: 0 } });
    const off = expected.replace('1152921504606846978', '1152921504606846979');
    expect(off).not.toBe(expected);
    await expect(world.evaluate(definition, { onnx, example, expected: off })).rejects.toThrow(
      /answers "1152921504606846978" in element 1 of "sum", where "1152921504606846979" is expected/,
    );
  });
});

describe('a file without an example', () => {
  it('is asked a request that is made of its inputs, always the same', async () => {
    const report = await world.evaluate(takingTensors('product'), { onnx: made.onnx('pair') });
    expect(report).toMatchObject({ parity: null, framework: 'unknown framework' });
    const example = (await world.read(report.example)) as { inputs: { data: number[] }[] };
    expect(example.inputs).toMatchObject([
      { name: 'left', datatype: 'FP32', shape: [1, 2] },
      { name: 'right', datatype: 'FP32', shape: [1, 2] },
    ]);
    const values = example.inputs.flatMap(({ data }) => data);
    expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(new Set(values).size).toBe(4);
    const again = await (await importsWorld()).evaluate(takingTensors('product'), { onnx: made.onnx('pair') });
    expect(again.example).toEqual(report.example);
  });

  it('is asked whole numbers, booleans and texts as well', async () => {
    const report = await world.evaluate(takingTensors('total'), { onnx: gatewayFixture('mixed'), framework: 'by hand 1' });
    expect(report.framework).toBe('by hand 1');
    expect(await world.read(report.example)).toMatchObject({
      inputs: [{ name: 'a' }, { name: 'b', data: [0] }, { name: 'flag', data: [false] }, { name: 'word', data: ['example'] }],
    });
  });

  it('is asked fields inside their bounds, where the gateway makes its matrix', async () => {
    const { serving } = fieldsDefinition;
    const request = serving.request.map((field) => (field.name === 'area' ? { ...field, min: 40, max: 41 } : field));
    const report = await world.evaluate({ ...fieldsDefinition, serving: { ...serving, request } }, { onnx: made.onnx('boosted') });
    const { inputs } = (await world.read(report.example)) as { inputs: { name: string; data: number[] }[] };
    const area = inputs.find(({ name }) => name === 'area')!;
    expect(area.data[0]).toBeGreaterThanOrEqual(40);
    expect(area.data[0]).toBeLessThanOrEqual(41);
  });
});

describe('a file that takes a matrix', () => {
  it('is asked the fields of its definition, and compared before any bound', async () => {
    const definition = { ...fieldsDefinition, serving: { ...fieldsDefinition.serving, output: { name: 'price', min: 1000 } } };
    const report = await world.evaluate(definition, brought('boosted'));
    expect(report).toMatchObject({ parity: { values: 5 }, framework: 'OnnxMLTools 1.16.0' });
    expect(await evaluation(report)).toMatchObject({
      inputs: [{ name: 'house', datatype: 'BYTES' }, { name: 'area' }, { name: 'new', datatype: 'BOOL' }],
      outputs: [{ name: 'price', datatype: 'FP32', shape: [-1] }],
    });
  });
});

describe('the activity', () => {
  it('looks at the same file once', async () => {
    const again = await world.evaluate(classifier, brought('iris'), 'run-2');
    expect(again).toEqual({ ...iris, reusedFrom: 'run-1' });
    const other = await world.evaluate(classifier, { ...brought('iris'), tolerance: 1e-3 }, 'run-3');
    expect(other.reusedFrom).toBeUndefined();
    expect(other.parity!.tolerance).toBe(1e-3);
  });
});
