import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServingSpec } from '../../contracts/artifacts.js';
import type { RedactionRule } from '../../domain/serving-options.js';
import type { Gateway } from '../../gateway/gateway.js';
import { createRedactor, sharedRules } from '../../gateway/watching/redaction.js';
import { binaryBody, bytesOf } from './support/binary.js';
import { capturedOf } from './support/captured.js';
import { GrpcClient } from './support/grpc-client.js';
import { post, until } from './support/requests.js';
import type { Stage } from './support/stage.js';
import { openStage, passedThrough, twoNumbers } from './support/stage.js';

const hour = 1_317_427_200_000;

/** Two numbers, and texts that the model does not look at. */
function personal(redact: readonly RedactionRule[], more: Partial<ServingSpec> = {}): Partial<ServingSpec> {
  return {
    request: [...twoNumbers.request, ...['name', 'mail', 'street', 'note'].map((name) => ({ name, datatype: 'BYTES' as const }))],
    capture: { sagemaker: { percent: 100, input: true, output: true }, redact },
    ...more,
  };
}

const rules: readonly RedactionRule[] = [
  { field: 'name', how: 'hash' },
  { field: 'mail', how: 'drop' },
  { field: 'street', how: 'mask', keepLast: 2 },
  { field: 'note', how: 'truncate', length: 3 },
  { field: 'a', how: 'mask' },
];

type Person = { readonly name: string; readonly mail: string; readonly street: string; readonly note: string };

function requestOf(people: readonly Person[], a = 1): Record<string, unknown> {
  const shape = [people.length];
  const texts = (['name', 'mail', 'street', 'note'] as const).map((field) => ({
    name: field,
    datatype: 'BYTES',
    shape,
    data: people.map((person) => person[field]),
  }));
  return {
    inputs: [
      { name: 'hour', datatype: 'INT64', shape, data: people.map((_, i) => hour + i * 3_600_000) },
      { name: 'a', datatype: 'FP64', shape, data: people.map(() => a) },
      { name: 'b', datatype: 'FP64', shape, data: people.map(() => 2) },
      ...texts,
    ],
  };
}

const anna: Person = { name: 'Anna Kowalska', mail: 'anna@example.org', street: 'Long Street 12', note: 'allergic to nuts' };

/** Everything that has left the gateway's memory: rows of the store, and every file below the stage but the packages. */
function everythingKept(stage: Stage): string {
  const files = readdirSync(stage.folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.startsWith('objects') && !path.includes('packages'))
    .map((path) => join(stage.folder, path))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'utf8'));
  return [JSON.stringify(stage.registry.stored), ...files].join('\n');
}

const ask = (gateway: Gateway, body: unknown, headers: Record<string, string> = {}) =>
  post(`${gateway.url}/v2/models/people/infer`, body, headers);

describe('redacted captures', () => {
  it('keep of each field what its rule leaves, in rows and in files', async () => {
    const stage = await openStage();
    const gateway = await stage.serve([{ model: 'people', version: '1.0.0', onnx: 'linear', spec: personal(rules) }]);
    const answer = await ask(gateway, requestOf([anna], 3));
    // The answer itself is that of the values as they came.
    expect(answer).toMatchObject({ status: 200, body: { outputs: [{ data: [23] }] } });
    const { lines } = await capturedOf(stage, gateway, 'people');
    const hashed = stage.registry.stored[0]!.inputs['name'] as string;
    expect(hashed).toMatch(/^hmac:[\w-]{43}$/);
    expect(stage.registry.stored[0]!.inputs).toEqual({ hour, a: '***', b: 2, name: hashed, street: '***12', note: 'all' });
    expect(JSON.parse(lines[0]!.captureData.endpointInput!.data)).toEqual({
      inputs: [
        { name: 'hour', shape: [1], datatype: 'INT64', data: [hour] },
        { name: 'a', shape: [1], datatype: 'BYTES', data: ['***'] },
        { name: 'b', shape: [1], datatype: 'FP64', data: [2] },
        { name: 'name', shape: [1], datatype: 'BYTES', data: [hashed] },
        { name: 'street', shape: [1], datatype: 'BYTES', data: ['***12'] },
        { name: 'note', shape: [1], datatype: 'BYTES', data: ['all'] },
      ],
    });
  });

  it('have the subject and the sticky key hashed, so that equal values still meet', async () => {
    const stage = await openStage();
    const spec = personal([{ field: 'name', how: 'hash' }], { subject: ['hour', 'name'] });
    const gateway = await stage.serve([{ model: 'people', version: '1.0.0', onnx: 'linear', spec }]);
    await ask(gateway, requestOf([anna]), { 'x-perennial-key': anna.name });
    await ask(gateway, requestOf([{ ...anna, name: 'Ben' }]), { 'x-perennial-key': 'somebody' });
    await post(`${gateway.url}/v2/captures/flush`, {});
    const [first, second] = stage.registry.stored;
    const hashed = first!.inputs['name'];
    expect(first).toMatchObject({ subject: `${hour}|${hashed}`, key: hashed });
    expect(second!.key).toMatch(/^hmac:/);
    expect(second!.inputs['name']).not.toBe(hashed);
    expect(everythingKept(stage)).not.toContain('Kowalska');
    // A label names the subject as its sender knows it.
    const labels = [
      { subject: `${hour}|${anna.name}`, value: 7 },
      { subject: `${hour}|Carla`, value: 7 },
    ];
    expect(await post(`${gateway.url}/v2/models/people/labels`, { labels })).toMatchObject({
      status: 200,
      body: { stored: 1, labels: [{ outcome: 'stored' }, { outcome: 'refused' }] },
    });
    expect(await post(`${gateway.url}/v2/models/people/labels`, { labels: [{ subject: `${hour}|a|b`, value: 7 }] })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('label it by "id"') },
    });
  });

  it('follow the rules of any version that shares the traffic, so that no version shows what another hides', async () => {
    const stage = await openStage();
    const open = personal([], { subject: ['name'] });
    const hidden = personal([{ field: 'name', how: 'hash' }], { subject: ['name'] });
    const gateway = await stage.serve(
      [
        {
          model: 'people',
          version: '1.0.0',
          onnx: 'linear',
          spec: { ...open, capture: { sagemaker: { percent: 100, input: true, output: true } } },
        },
        { model: 'people', version: '1.0.1', onnx: 'linear', spec: hidden },
      ],
      { shadow: '1.0.1' },
      { shadowLimitMs: 60_000 },
    );
    await ask(gateway, requestOf([anna]));
    await until(() => stage.registry.stored.length === 2);
    await post(`${gateway.url}/v2/captures/flush`, {});
    const [live, shadow] = stage.registry.stored;
    expect(live!.subject).toBe(shadow!.subject);
    expect(live!.version).not.toBe(shadow!.version);
    expect(everythingKept(stage)).not.toContain('Kowalska');
  });

  it('hide failed predictions as well', async () => {
    const stage = await openStage();
    const spec = personal(rules);
    const gateway = await stage.serve([{ model: 'people', version: '1.0.0', onnx: 'not-a-number', spec }]);
    expect((await ask(gateway, requestOf([anna], -5))).status).toBe(500);
    await post(`${gateway.url}/v2/captures/flush`, {});
    expect(stage.registry.stored[0]).toMatchObject({ error: 'notFinite', inputs: { street: '***12' } });
    expect(everythingKept(stage)).not.toContain('Kowalska');
  });

  it('never hold a value that a rule hides, whatever it is, in whatever protocol it came', async () => {
    const stage = await openStage();
    const spec = personal(rules, { subject: ['name', 'hour'] });
    const gateway = await stage.serve([{ model: 'people', version: '1.0.0', onnx: 'linear', spec }], {}, { grpcPort: 0 });
    const client = new GrpcClient(gateway.grpcAddress);
    // Marked, so that a find is no accident; with what JSON, CSV and base64 write otherwise than it is.
    const secret = fc
      .tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('', '"', '\\', '\n', '|', 'ä', '😀'))
      .map(([text, odd]) => `${text}${odd}`.replaceAll('\u0000', '').replaceAll('\ufffd', ''));
    let nth = 0;
    const raws: string[] = [];
    const mark = (text: string): string => {
      const raw = `q${(nth++).toString(36)}zQ${text}Qz`;
      raws.push(raw);
      return raw;
    };
    const person = fc
      .record({ name: secret, mail: secret, street: secret, note: secret })
      .map((of): Person => ({ name: mark(of.name), mail: mark(of.mail), street: mark(of.street), note: mark(of.note) }));
    const protocol = fc.constantFrom('json', 'binary', 'grpc', 'csv', 'instances', 'stream');
    await fc.assert(
      fc.asyncProperty(fc.array(person, { minLength: 1, maxLength: 3 }), protocol, async (people, by) => {
        const request = requestOf(people) as { inputs: { name: string; datatype: string; shape: number[]; data: never[] }[] };
        const key = { 'x-perennial-key': people[0]!.name.replaceAll(/[^ -~]/g, '') };
        raws.push(key['x-perennial-key']);
        if (by === 'json') expect((await ask(gateway, { ...request, id: people[0]!.mail }, key)).status).toBe(200);
        if (by === 'stream') expect((await post(`${gateway.url}/v2/models/people/infer_stream`, request, key)).status).toBe(200);
        if (by === 'binary') {
          const { body, headers } = binaryBody(
            request.inputs.map((input) => (input.datatype === 'BYTES' ? { ...input, data: undefined, bytes: bytesOf(input.data) } : input)),
          );
          expect((await ask(gateway, body, { ...headers, ...key })).status).toBe(200);
        }
        if (by === 'grpc') {
          const contents = { INT64: 'int64_contents', FP64: 'fp64_contents', BYTES: 'bytes_contents' } as const;
          const inputs = request.inputs.map(({ data, ...input }) => ({
            ...input,
            contents: {
              [contents[input.datatype as 'BYTES']]: data.map((value) => (input.datatype === 'BYTES' ? Buffer.from(value) : value)),
            },
          }));
          await client.call('ModelInfer', { model_name: 'people', inputs });
        }
        const rows = people.map((of, i) => ({ hour: hour + i, a: 1, b: 2, ...of }));
        const invocations = `${gateway.url}/endpoints/people/invocations`;
        if (by === 'instances') expect((await post(invocations, { instances: rows })).status).toBe(200);
        if (by === 'csv') {
          const cell = (value: unknown): string => `"${String(value).replaceAll('"', '""').replaceAll('\n', ' ')}"`;
          const lines = rows.map((row) => Object.values(row).map(cell).join(','));
          raws.push(...people.flatMap((of) => Object.values(of).map((value) => value.replaceAll('\n', ' '))));
          expect((await post(invocations, lines.join('\n'), { 'content-type': 'text/csv' })).status).toBe(200);
        }
      }),
      { numRuns: 60 },
    );
    const { lines } = await capturedOf(stage, gateway, 'people');
    expect(lines.length).toBeGreaterThan(50);
    expect(stage.registry.stored.length).toBeGreaterThan(50);
    const kept = everythingKept(stage);
    // Bodies in JSON are texts in JSON, and those in base64 are bytes: what they say is looked at too.
    const sides = lines.flatMap(({ captureData }) => Object.values(captureData));
    const said = sides.map(({ data, encoding }) => (encoding === 'BASE64' ? Buffer.from(data, 'base64').toString() : data));
    const values = said.map((text) => JSON.stringify(flat(JSON.parse(text))));
    const haystack = [kept, ...said, ...values, ...stage.registry.stored.flatMap(flat).map(String)].join('\n');
    for (const raw of raws) for (const form of [raw, JSON.stringify(raw).slice(1, -1)]) expect(haystack.includes(form)).toBe(false);
    // And the search would find what is there.
    expect(haystack).toContain('hmac:');
    expect(stage.registry.stored.every(({ subject }) => /^hmac:[\w-]{43}\|\d+$/.test(subject))).toBe(true);
  });

  it('hold the tensors of a model without features by the same rules', async () => {
    const stage = await openStage();
    const spec: Partial<ServingSpec> = {
      ...passedThrough,
      onnx: { input: 'x', output: 'y' },
      output: { name: 'y' },
      capture: { sagemaker: { percent: 100, input: true, output: false }, redact: [{ field: 'x', how: 'hash' }] },
    };
    const gateway = await stage.serve([{ model: 'texts', version: '1.0.0', onnx: 'identity-text', spec }]);
    const inputs = [{ name: 'x', datatype: 'BYTES', shape: [2, 1], data: ['Kowalska', 'Kowalska'] }];
    expect((await post(`${gateway.url}/v2/models/texts/infer`, { inputs })).status).toBe(200);
    const { lines } = await capturedOf(stage, gateway, 'texts');
    const { inputs: kept } = JSON.parse(lines[0]!.captureData.endpointInput!.data) as { inputs: { shape: number[]; data: string[] }[] };
    expect(kept).toMatchObject([{ name: 'x', shape: [2, 1], datatype: 'BYTES' }]);
    expect(kept[0]!.data[0]).toBe(kept[0]!.data[1]);
    expect(everythingKept(stage)).not.toContain('Kowalska');
  });

  it('are refused where they cannot be: a field that is not there', async () => {
    const stage = await openStage();
    await stage.serve([{ model: 'people', version: '1.0.0', onnx: 'linear', spec: personal([{ field: 'age', how: 'drop' }]) }]);
    await until(() => stage.registry.acks.length > 0);
    expect(stage.registry.acks[0]!.refused).toMatch(/redacts age, which its requests do not have \(they have hour, a, b, name/);
  });
});

describe('a redaction rule', () => {
  it('lets no whole value through, nor more than half of it, and answers the same for the same', () => {
    const rule = fc.oneof(
      fc.record({ field: fc.constant('x'), how: fc.constant('hash' as const) }),
      fc.record({ field: fc.constant('x'), how: fc.constant('mask' as const), keepLast: fc.nat(20) }),
      fc.record({ field: fc.constant('x'), how: fc.constant('truncate' as const), length: fc.nat(20) }),
    );
    fc.assert(
      fc.property(rule, fc.string({ unit: 'grapheme', minLength: 1 }), (of, value) => {
        const redactor = createRedactor(new Map([['x', of]]), 'secret');
        const kept = redactor.value('x', value) as string;
        expect(redactor.value('x', value)).toBe(kept);
        if (of.how === 'hash') {
          expect(kept).toMatch(/^hmac:[\w-]{43}$/);
          return;
        }
        const shown = of.how === 'mask' ? kept.slice(3) : kept;
        expect(Array.from(shown).length).toBeLessThanOrEqual(Array.from(value).length / 2);
        expect(of.how === 'mask' ? value.endsWith(shown) : value.startsWith(shown)).toBe(true);
      }),
    );
  });

  it('hashes by the installation’s secret, alike in every model and of every type', () => {
    const [one, other] = ['one', 'other'].map((secret) => createRedactor(new Map([['x', { field: 'x', how: 'hash' }]]), secret));
    expect(one!.value('x', 'Anna')).not.toBe(other!.value('x', 'Anna'));
    expect(one!.value('x', 12)).toBe(one!.value('x', '12'));
    expect(one!.subject('12', ['x'])).toBe(one!.value('x', 12));
  });

  it('of several versions is the one that keeps least, and a hash where the field is part of a subject', () => {
    const spec = (subject: string[], ...redact: RedactionRule[]) => ({ subject, capture: { redact } });
    const shared = sharedRules([
      spec([], { field: 'a', how: 'mask', keepLast: 4 }, { field: 'b', how: 'drop' }, { field: 'c', how: 'truncate', length: 9 }),
      spec(['b'], { field: 'a', how: 'mask', keepLast: 1 }, { field: 'c', how: 'hash' }),
    ]);
    expect(shared!.get('a')).toEqual({ field: 'a', how: 'mask', keepLast: 1 });
    expect(shared!.get('b')).toEqual({ field: 'b', how: 'hash' });
    expect(shared!.get('c')).toEqual({ field: 'c', how: 'hash' });
    expect(sharedRules([spec([]), { subject: ['x'] }])).toBeNull();
  });
});

/** Every text and number in a value of JSON. */
function flat(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [value];
  return Object.values(value).flatMap(flat);
}
