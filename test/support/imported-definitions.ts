import type { ImportedDefinition } from '../../domain/model-definition.js';

/** A model whose callers send the tensors of its file. */
export const tensorsDefinition: ImportedDefinition = {
  name: 'digits',
  description: 'a model of the tests, made elsewhere',
  owner: 'tests',
  risk: 'limited',
  versions: 'imported',
  task: 'classification',
  features: [],
  gates: [{ kind: 'latency', maxP95Ms: 50 }],
  serving: { endpointKind: 'realtime', request: [], output: { name: 'probabilities' }, subject: [] },
  approval: { expiresAfterMs: 72 * 3_600_000 },
  rollout: {
    plan: 'fast',
    limits: {
      maxP95Ms: 200,
      maxP95RatioToChampion: 1.5,
      maxErrorRate: 0.001,
      maxErrorRatioToChampion: 2,
      minRequests: 100,
      minPairs: 12,
    },
  },
  labels: { expectedDelayMs: 0 },
  card: { intendedUse: 'tests', primaryUsers: 'tests', limitations: ['made for tests'] },
};

/** A model whose callers send fields, of which the gateway makes its file's matrix. */
export const fieldsDefinition: ImportedDefinition = {
  ...tensorsDefinition,
  name: 'house-price',
  task: 'regression',
  features: [
    { kind: 'input', name: 'area', column: 'area' },
    { kind: 'input', name: 'newly_built', column: 'new' },
  ],
  serving: {
    endpointKind: 'realtime',
    request: [
      { name: 'house', datatype: 'BYTES' },
      { name: 'area', datatype: 'FP64', min: 0 },
      { name: 'new', datatype: 'BOOL' },
    ],
    output: { name: 'price', min: 0 },
    subject: ['house'],
  },
  rollout: { plan: 'fast', limits: { ...tensorsDefinition.rollout.limits, quality: { metric: 'absoluteError', floor: 0 } } },
  labels: { expectedDelayMs: 86_400_000 },
};
