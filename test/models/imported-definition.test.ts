import { describe, expect, it } from 'vitest';
import { defineImportedModel, definitionDigest, parseDefinition } from '../../contracts/define-model.js';
import { PerennialError } from '../../domain/errors.js';
import { type ImportedDefinition, isImported, schedulesIn, trainedHere } from '../../domain/model-definition.js';
import demandForecast from '../../models/demand-forecast.js';
import { tinyDefinition } from '../workflows/fake-activities.js';
import { fieldsDefinition, tensorsDefinition } from '../support/imported-definitions.js';

type Fault = { readonly path: string; readonly expected: string; readonly found: string };

function faultsOf(definition: unknown): readonly Fault[] {
  try {
    parseDefinition(definition);
  } catch (error) {
    if (error instanceof PerennialError) return error.details['faults'] as Fault[];
    throw error;
  }
  return [];
}

const serving = (definition: ImportedDefinition, change: Partial<ImportedDefinition['serving']>): ImportedDefinition => ({
  ...definition,
  serving: { ...definition.serving, ...change },
});
const limits = (definition: ImportedDefinition, change: Partial<ImportedDefinition['rollout']['limits']>): ImportedDefinition => ({
  ...definition,
  rollout: { ...definition.rollout, limits: { ...definition.rollout.limits, ...change } },
});

describe('the definition of an imported model', () => {
  it.each([tensorsDefinition, fieldsDefinition])('$name is plain JSON, parsed back as it is', (definition) => {
    expect(defineImportedModel(definition)).toEqual(definition);
    const again = parseDefinition(JSON.parse(JSON.stringify(definition)));
    expect(again).toEqual(definition);
    expect(isImported(again)).toBe(true);
    expect(definitionDigest(again)).toBe(definitionDigest(definition));
    expect(schedulesIn(again)).toEqual([]);
  });

  it('has a digest of its own, that any field changes', () => {
    const digests = [
      tensorsDefinition,
      serving(tensorsDefinition, { subject: ['pixels'] }),
      limits(tensorsDefinition, { maxP95Ms: 100 }),
      { ...tensorsDefinition, task: 'other' as const },
    ].map(definitionDigest);
    expect(new Set(digests).size).toBe(digests.length);
    expect(definitionDigest(tensorsDefinition)).toBe('sha256:d18b699be95a8d7ca4ec0c4eafd37f69ea205b0a7b4d395e3b68078bd60f67a2');
  });

  it('may name tensors as its file does, and redact inputs that only the file knows', () => {
    const named = serving(tensorsDefinition, {
      output: { name: 'dense/Softmax:0' },
      subject: ['customer id'],
      capture: { redact: [{ how: 'truncate', field: 'prompt:0', length: 2 }] },
    });
    expect(faultsOf(named)).toEqual([]);
  });

  it('cannot be trained, and says what to do instead', () => {
    expect(trainedHere(demandForecast)).toBe(demandForecast);
    expect(() => trainedHere(tensorsDefinition)).toThrow(/versions of digits are imported.*\.\/perennial import digits model\.onnx/);
  });

  it.each<[string, unknown, string, RegExp, string]>([
    ['a data source', { ...tensorsDefinition, source: demandForecast.source }, 'source', /^no such field$/, '{"kind":"sql"'],
    ['retraining', { ...tensorsDefinition, retraining: { schedules: [] } }, 'retraining', /^no such field$/, '{"schedules":[]}'],
    ['metrics', { ...tensorsDefinition, metrics: [] }, 'metrics', /^no such field$/, '[]'],
    ['an unknown field', { ...tensorsDefinition, framework: 'xgboost' }, 'framework', /^no such field$/, '"xgboost"'],
    ['an unknown field within', serving(tensorsDefinition, { caching: 1 } as never), 'serving.caching', /^no such field$/, '1'],
    ['another place for versions', { ...tensorsDefinition, versions: 'trained' }, 'versions', /^"imported", or no such field/, 'trained'],
    ['versions of a trained model', { ...demandForecast, versions: 'bought' }, 'versions', /^"imported", or no such field/, 'bought'],
    ['an unknown task', { ...tensorsDefinition, task: 'ranking' }, 'task', /"regression", "classification", "other"/, '"ranking"'],
    [
      'a gate on a metric',
      { ...tensorsDefinition, gates: [{ kind: 'latency', maxP95Ms: 5 }, { kind: 'latency' }] },
      'gates[1].maxP95Ms',
      /^a number$/,
      'nothing',
    ],
    ['no gate', { ...tensorsDefinition, gates: [] }, 'gates', /at least 1 entries/, '[]'],
    ['an output without a name', serving(tensorsDefinition, { output: { name: ' ' } }), 'serving.output.name', /at least 1/, '""'],
    [
      'fields without features',
      serving(tensorsDefinition, { request: fieldsDefinition.serving.request, subject: ['house'] }),
      'serving.request',
      /^\[\], as callers send the tensors of the file/,
      '["house","area","new"]',
    ],
    [
      'a look-up without fields',
      serving(tensorsDefinition, { entities: { key: [{ name: 'id', datatype: 'INT64' }], features: ['age'], ttlMs: 0 } }),
      'serving.entities',
      /^left out: without features there are no fields/,
      '{"key":[{"name":"id"',
    ],
    [
      'a bound of tensors',
      serving(tensorsDefinition, { output: { name: 'probabilities', max: 1 } }),
      'serving.output.max',
      /^left out: without features/,
      '1',
    ],
    [
      'labels to judge by where no question is answered twice',
      limits(tensorsDefinition, { quality: { metric: 'absoluteError', floor: 0 } }),
      'rollout.limits.quality',
      /^left out, or a serving\.subject, or the plan shadow-then-canary.*by fast waits/,
      '{"metric":"absoluteError","floor":0}',
    ],
    [
      'a feature that the request lacks',
      serving(fieldsDefinition, { request: fieldsDefinition.serving.request.slice(0, 2) }),
      'serving.request',
      /^a field "new", which a feature reads$/,
      '["house","area"]',
    ],
    [
      'a feature of a text',
      { ...fieldsDefinition, features: [{ kind: 'input', name: 'house', column: 'house' }] },
      'serving.request (house)',
      /^a number or BOOL/,
      'BYTES',
    ],
    [
      'two features of one name',
      { ...fieldsDefinition, features: [...fieldsDefinition.features, { kind: 'input', name: 'area', column: 'new' }] },
      'features[2].name',
      /^a name that features\[0\] has not got$/,
      'area',
    ],
    [
      'two fields of one name',
      serving(fieldsDefinition, { request: [...fieldsDefinition.serving.request, { name: 'house', datatype: 'INT64' }] }),
      'serving.request[3].name',
      /^a name that serving\.request\[0\] has not got$/,
      'house',
    ],
    [
      'a field whose least is above its most',
      serving(fieldsDefinition, {
        request: fieldsDefinition.serving.request.map((field) => (field.name === 'area' ? { ...field, max: -1 } : field)),
      }),
      'serving.request[1].min',
      /^at most max \(-1\)$/,
      '0',
    ],
    ['an output of no width', serving(fieldsDefinition, { output: { name: 'price', min: 1, max: 1 } }), 'serving.output.min', /^less/, '1'],
    ['a subject that is no field', serving(fieldsDefinition, { subject: ['street'] }), 'serving.subject[0]', /house, area, new/, 'street'],
    [
      'redaction of no field',
      serving(fieldsDefinition, { capture: { redact: [{ how: 'drop', field: 'street' }] } }),
      'serving.capture.redact[0].field',
      /^a field of serving\.request \(house, area, new\)$/,
      'street',
    ],
    [
      'redaction that makes questions one',
      serving(fieldsDefinition, { capture: { redact: [{ how: 'drop', field: 'house' }] } }),
      'serving.capture.redact[0].how',
      /^"hash", as the field is part of the subject/,
      'drop',
    ],
    [
      'a look-up of what is no field',
      serving(fieldsDefinition, { entities: { key: [{ name: 'house', datatype: 'BYTES' }], features: ['garden'], ttlMs: 0 } }),
      'serving.entities.features[0]',
      /^a field of serving\.request/,
      'garden',
    ],
    [
      'captures that go too early',
      serving(fieldsDefinition, { capture: { retentionDays: 7 } }),
      'serving.capture.retentionDays',
      /fast/,
      '7',
    ],
  ])('refuses %s', (...[, definition, path, expected, found]) => {
    const faults = faultsOf(definition);
    expect(faults).toEqual([
      { path, expected: expect.stringMatching(expected) as string, found: expect.stringContaining(found) as string },
    ]);
  });

  it('refuses features that are made from outcomes, which only training here knows', () => {
    const features = [...demandForecast.features, { kind: 'lag', name: 'before', agoMs: 1 }];
    const paths = faultsOf({ ...fieldsDefinition, features }).map(({ path }) => path);
    expect(paths).toContain(`features[${features.length - 1}].kind`);
    expect(paths).toContain(`features[${features.length - 1}].agoMs`);
  });

  it('refuses a metric gate by its kind', () => {
    const [fault] = faultsOf({ ...fieldsDefinition, gates: [demandForecast.gates[0]] });
    expect(fault).toEqual({ path: 'gates[0].kind', expected: '"latency"', found: `"${demandForecast.gates[0]!.kind}"` });
  });

  it('may be judged by labels where a shadow answers the same questions, or none waits for pairs', () => {
    const judged = limits(tensorsDefinition, { quality: { metric: 'absoluteError', floor: 0 } });
    for (const plan of ['shadow-then-canary', 'blue-green', 'direct'] as const)
      expect(faultsOf({ ...judged, rollout: { ...judged.rollout, plan } })).toEqual([]);
    // High risk puts a shadow in front of any plan.
    expect(faultsOf({ ...judged, risk: 'high' })).toEqual([]);
    expect(faultsOf(serving(judged, { subject: ['pixels'] }))).toEqual([]);
  });

  it('is told by name with all its faults', () => {
    const wrong = { ...serving(fieldsDefinition, { subject: ['street'] }), features: [] };
    expect(() => defineImportedModel(wrong)).toThrow(/^the definition of house-price has 3 faults:\n/);
    expect(() => defineImportedModel(demandForecast as never)).toThrow(/versions: expected "imported", found nothing/);
  });
});

describe('the definition of a trained model', () => {
  it('has the digest that it always had', () => {
    // Made by the release before imported definitions: an older registry knows its definitions by such digests.
    expect(definitionDigest(tinyDefinition)).toBe('sha256:d9d87252910fecfa76d7be00f2914f632a5613f91ddf31e53f131a48ce498e86');
    expect(definitionDigest(parseDefinition(structuredClone(demandForecast)))).toBe(definitionDigest(demandForecast));
    expect(isImported(demandForecast)).toBe(false);
  });

  it('must be judged by labels still', () => {
    const { quality: _, ...others } = demandForecast.rollout.limits;
    expect(faultsOf({ ...demandForecast, rollout: { ...demandForecast.rollout, limits: others } })).toEqual([
      { path: 'rollout.limits.quality', expected: 'an object', found: 'nothing' },
    ]);
  });

  it('still needs a request, a subject, and names that are identifiers', () => {
    const empty = { ...demandForecast, serving: { ...demandForecast.serving, request: [], subject: [], output: { name: 'a b' } } };
    expect(faultsOf(empty).map(({ path }) => path)).toEqual(['serving.request', 'serving.output.name', 'serving.subject']);
  });
});
