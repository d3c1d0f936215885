import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { openFileNamedObjects } from '../../adapters/named-objects/file-named-objects.js';
import { gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage, passedThrough } from '../gateway/support/stage.js';
import { testPlaces } from '../support/servers.js';
import { awsSdkJs, awsSdkJsSigned } from './aws-sdk-js.js';
import { runSuite } from './run-suite.js';
import { wantSignatures } from './signed-callers.js';
import type { Case, Suite, Target } from './suites.js';
import { pythonSuites } from './suites.js';
import { summary } from './summary.js';

const stage = await openStage();
const root = fileURLToPath(new URL('../..', import.meta.url));
let gateway: Gateway;

const own = (input: string, output: string) => ({ ...passedThrough, onnx: { input, output }, output: { name: output } });

beforeAll(async () => {
  const iris = join(root, 'test/conformance/models/iris.onnx');
  await stage.addVersion({ model: 'iris', version: '1.0.0', onnx: iris, spec: own('measures', 'logits') });
  await stage.addVersion({ model: 'failing', version: '1.0.0', onnx: 'failing', spec: own('features', 'prediction') });
  for (const model of ['iris', 'failing']) stage.registry.setRoute({ model, variants: [{ version: '1.0.0', weight: 1 }] });
  gateway = await stage.start({}, { named: openFileNamedObjects(join(stage.folder, 'async')) });
});

const target = (more: Partial<Target> = {}): Target => ({
  root,
  tools: stage.folder,
  http: new URL(gateway.url).host,
  grpc: '',
  asyncFolder: join(stage.folder, 'async'),
  log: stage.folder,
  pairs: null,
  ...more,
});

async function casesOf(suite: Suite, of: Target): Promise<Case[]> {
  const cases: Case[] = [];
  for await (const found of runSuite(suite, of)) cases.push(found);
  return cases;
}

// The other Python clients want an environment of their own, of 420 MB: `npm run conformance` makes it.
describe('the suite of the AWS SDK for JavaScript', () => {
  it('passes', async () => {
    const cases = await casesOf(awsSdkJs, target());
    expect(cases.length).toBeGreaterThan(5);
    expect(cases.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  });

  it('passes signed, on a gateway with keys', async () => {
    const { routes, captures, outcomes } = stage.registry;
    const file = join(stage.folder, 'keys.json');
    const named = openFileNamedObjects(join(stage.folder, 'async'));
    const closed = await stage.start({}, { routes, captures, outcomes, named, keys: gatewayKeySource(file, 10) });
    const pairs = await wantSignatures(file, closed.url);
    const cases = await casesOf(awsSdkJsSigned, target({ http: new URL(closed.url).host, pairs }));
    expect(cases.length).toBeGreaterThan(12);
    expect(cases.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  });

  it('fails where another server answers', async () => {
    const cases = await casesOf(awsSdkJs, target({ http: '127.0.0.1:9' }));
    expect(new Set(cases.map(({ outcome }) => outcome))).toEqual(new Set(['failed']));
  });
});

describe('schemathesis on the OpenAPI document', () => {
  it('finds no server error and no answer that is not described', async () => {
    // The tests' own environment holds it; the other suites want more than that has.
    const tools = join(stage.folder, 'tools');
    await mkdir(tools);
    await symlink(join(testPlaces().tools, 'python-test'), join(tools, 'python-conformance'));
    process.env['CONFORMANCE_EXAMPLES'] = '8';
    const suite = pythonSuites.find(({ name }) => name === 'schemathesis')!;
    const cases = await casesOf(suite, target({ tools }));
    expect(cases.length).toBeGreaterThan(30);
    expect(cases.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect((await fetch(`${gateway.url}/v2/models/iris/ready`)).status).toBe(200);
  });
});

describe('a suite in Python', () => {
  it('that does not start is a failure, never nothing', async () => {
    const [suite] = pythonSuites;
    const cases = await casesOf(suite!, target());
    expect(cases).toEqual([expect.objectContaining({ outcome: 'failed', reason: expect.stringContaining('python') as string })]);
  });
});

describe('the summary', () => {
  it('counts, and gives the reason of each case that did not pass', () => {
    const suite: Suite = { name: 'some', what: 'a client', runs: { kind: 'pytest', file: 'test_some.py' } };
    const cases: Case[] = [
      { name: 'a', outcome: 'passed' },
      { name: 'b', outcome: 'failed', reason: 'it is 4' },
      { name: 'c', outcome: 'skipped', reason: 'no program' },
    ];
    const lines = summary([{ suite, cases, seconds: 1.25 }]);
    expect(lines[2]).toMatch(/^\| some +\| 1 +\| 1 +\| 1 +\| 1\.[23] +\| a client \|$/);
    expect(lines).toContain('- some: b: it is 4');
    expect(lines).toContain('- some: c: no program');
    expect(lines.at(-1)).toBe('1 passed, 1 failed, 1 skipped');
  });
});
