import type { ObjectStore } from '../../activities/ports.js';
import type { AllActivities } from '../workflows/fake-activities.js';
import type { ObjectRef } from '../../contracts/artifacts.js';
import { digestOf } from '../../contracts/digest.js';
import { importedShape } from '../../activities/version-shape.js';
import type { MetricValue } from '../../domain/metrics.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const metrics: readonly MetricValue[] = [
  { name: 'mape', kind: 'mape', value: 0.132, count: 612, excluded: 340, floor: 100 },
  { name: 'wape', kind: 'wape', value: 0.11, count: 952, excluded: 0 },
  { name: 'rmse', kind: 'rmse', value: 31.5, count: 952, excluded: 0 },
];

const example = {
  inputs: [
    { name: 'hour', datatype: 'INT64', shape: [1], data: [Date.UTC(2011, 9, 3, 8)] },
    { name: 'temp', datatype: 'FP32', shape: [1], data: [0.42] },
  ],
};

const importSignature = {
  inputs: [
    { name: 'age', datatype: 'FP32', shape: [-1, 1] },
    { name: 'plan', datatype: 'BYTES', shape: [-1, 1] },
  ],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
  ],
};

const importExample = {
  inputs: [
    { name: 'age', datatype: 'FP32', shape: [1, 1], data: [0.5] },
    { name: 'plan', datatype: 'BYTES', shape: [1, 1], data: ['example'] },
  ],
};

/** Data, training and evaluation that end at once; what they answer is in the object store, as the registry wants. */
export function fakeCompute(objects: ObjectStore): Partial<AllActivities> {
  const put = (text: string): Promise<ObjectRef> => objects.put(new TextEncoder().encode(text), 'text/plain');
  const features = async (name: string) => ({
    object: await put(name),
    rows: 952,
    features: ['temp'],
    target: 'bikers',
    fromMs: Date.UTC(2011, 7, 22),
    toMs: Date.UTC(2011, 9, 1),
  });
  return {
    extractWindow: async ({ definition, asOfMs }) => {
      const object = await put(`rows of ${definition.name} before ${asOfMs}`);
      const fromMs = asOfMs - definition.window.days * dayMs;
      return { digest: object.digest, object, rows: 4_800, columns: [{ name: 'hour', type: 'TIMESTAMP' }], fromMs, toMs: asOfMs };
    },
    checkData: async () => ({ rows: 4_800, columns: [], absentSlots: 0 }),
    buildFeatures: async () => await features('features'),
    splitFeatures: async () => ({
      train: await features('train'),
      holdout: await features('holdout'),
      fit: await features('fit'),
      validation: await features('validation'),
    }),
    suggestTrial: async ({ number }) => ({ params: { num_leaves: 20 + number } }),
    runTrial: async ({ number, params }) => ({ number, params, state: 'complete', value: 0.15 - number / 1_000 }),
    trainModel: async () => ({ onnx: await put('onnx'), native: await put('native'), manifest: await put('{}'), metrics, seconds: 0.1 }),
    evaluateModel: async ({ champion }) => ({
      metrics,
      champion:
        champion === null
          ? null
          : {
              version: champion.version,
              metrics: metrics.map((metric) => ({ ...metric, value: (metric.value ?? 0) * 1.1 })),
              candidateMetrics: metrics,
              rows: 952,
              fromMs: Date.UTC(2011, 9, 1),
              toMs: Date.UTC(2011, 10, 1),
            },
      residualsByHour: [],
      latencyP95Ms: 2,
      rows: 952,
      fromMs: Date.UTC(2011, 7, 22),
      toMs: Date.UTC(2011, 9, 1),
      object: await put('evaluation'),
    }),
    packageModel: async ({ run }) => {
      const contents = {
        'card.md': `# Card of ${run}`,
        'input-example.json': JSON.stringify(example),
        'manifest.json': '{"packages":{"lightgbm":"4.7.0"},"seed":7}',
        'model.onnx': `onnx of ${run}`,
      };
      const files = await Promise.all(
        Object.entries(contents).map(async ([path, text]) => {
          const { digest, bytes } = await put(text);
          return { path, digest, bytes };
        }),
      );
      return { digest: digestOf(files), files };
    },
    evaluateImport: async ({ definition, imported, run }) => {
      const asked = imported.example ?? (await put(JSON.stringify(importExample)));
      const framework = imported.framework ?? 'skl2onnx 1.19.1';
      const parity = imported.expected === undefined ? null : { values: 2, largestDifference: 3e-7, tolerance: imported.tolerance ?? 1e-4 };
      const evaluation = { model: definition.name, onnx: imported.onnx.digest, framework, ...importSignature, parity, latencyP95Ms: 0.4 };
      return {
        latencyP95Ms: 0.4,
        parity,
        framework,
        shape: importedShape(definition, { signature: importSignature, framework }),
        example: asked,
        object: await put(JSON.stringify({ ...evaluation, run })),
      };
    },
    packageImport: async ({ run, imported, report }) => {
      const card = await put(`# Card of ${run}`);
      const manifest = await put(JSON.stringify({ trainer: 'imported', framework: report.framework }));
      const files = [
        { path: 'card.md', ...card },
        { path: 'evaluation.json', ...report.object },
        { path: 'input-example.json', ...report.example },
        { path: 'manifest.json', ...manifest },
        { path: 'model.onnx', ...imported.onnx },
        ...(imported.expected === undefined ? [] : [{ path: 'expected-output.json', ...imported.expected }]),
      ].map(({ path, digest, bytes }) => ({ path, digest, bytes }));
      return { digest: digestOf(files), files };
    },
    signPackage: async ({ package: unsigned }) => ({ ...unsigned, signature: await put('signature') }),
  };
}
