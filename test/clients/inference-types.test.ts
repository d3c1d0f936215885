import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage, passedThrough } from '../gateway/support/stage.js';

const stage = await openStage();
const root = fileURLToPath(new URL('../..', import.meta.url));
const source = join(root, 'clients/inference');
const folder = mkdtempSync(join(tmpdir(), 'perennial-inference-'));
const installed = join(folder, 'node_modules/@perennial-ml/inference');
const run = promisify(execFile);
const tsc = (args: string[]) => run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...args], { cwd: folder });

let gateway: Gateway;

// The package as a user has it: built, without the rest of the tree.
beforeAll(async () => {
  mkdirSync(installed, { recursive: true });
  await tsc(['-p', join(source, 'tsconfig.json'), '--outDir', join(installed, 'dist')]);
  writeFileSync(join(installed, 'package.json'), readFileSync(join(source, 'package.json')));
  for (const file of ['README.md', 'LICENSE']) copyFileSync(join(source, file), join(installed, file));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    const there = join(root, 'node_modules', name);
    if (existsSync(there)) symlinkSync(there, join(folder, 'node_modules', name));
  }
  gateway = await stage.serve([{ model: 'demand-forecast', version: '1.0.0', onnx: 'linear' }]);
  const spec = { ...passedThrough, onnx: { input: 'input-0', output: 'total' }, output: { name: 'total' } };
  await stage.addLive({ model: 'sum', version: '1.0.0', onnx: join(root, 'test/conformance/models/sum-model.onnx'), spec });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const types = (...args: string[]) =>
  run(process.execPath, [join(installed, 'dist/inference-types.js'), gateway.url, ...args], { cwd: folder });

const written = './demand-forecast.js';
const call = (inputs: string, after = ''): string => `
import { InferenceClient } from '@perennial-ml/inference';
import { demandForecast, type DemandForecast } from '${written}';
const client = new InferenceClient('${gateway.url}');
const answer = await client.model(demandForecast).infer(${inputs});
const same = await client.model<DemandForecast>('demand-forecast').infer(${inputs});
${after}
console.log(JSON.stringify([...answer.outputs.value.data, ...same.outputs.value.data]));
`;

async function checked(text: string): Promise<string> {
  writeFileSync(join(folder, 'program.ts'), text);
  const options = [
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--types',
    'node',
    '--noUncheckedIndexedAccess',
    '--skipLibCheck',
  ];
  return tsc([...options, 'program.ts']).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
}

describe('inference-types', () => {
  it('writes the signature of a model from its server', async () => {
    await types('demand-forecast', '--out', 'demand-forecast.ts');
    const text = readFileSync(join(folder, 'demand-forecast.ts'), 'utf8');
    expect(text).toContain('export const demandForecast = {');
    expect(text).toContain(`{ name: "hour", datatype: 'INT64', shape: [-1] }`);
    expect(text).toContain('export type DemandForecast = typeof demandForecast;');
    expect((await types('sum', '--version', '1.0.0')).stdout).toContain('export type Sum = typeof sum;');
  });

  it('says why there are none', async () => {
    await expect(types('nobody')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('unknown model') as string });
    await expect(types()).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('inference-types <url> <model>') as string });
  });

  it('has a right call compile and run', async () => {
    expect(
      await checked(
        call(
          '{ hour: [1317427200000n, 1317427200000n], a: [1, 2], b: new Float64Array([2, 3]) }',
          'const data: Float32Array | Float64Array = answer.outputs.value.data; void data;',
        ),
      ),
    ).toBe('');
    const { stdout } = await run(process.execPath, [join(folder, 'program.js')], { cwd: folder });
    expect(JSON.parse(stdout)).toEqual([21, 32, 21, 32]);
  });

  it.each([
    { what: 'an input that is missing', inputs: '{ hour: [1n], a: [1] }', message: /'b' is missing/ },
    { what: 'an input that the model does not have', inputs: '{ hour: [1n], a: [1], b: [2], c: [3] }', message: /'c' does not exist/ },
    { what: 'values of another type', inputs: "{ hour: [1n], a: ['one'], b: [2] }", message: /not assignable/ },
    { what: 'an output that the model does not have', after: 'answer.outputs.price;', message: /'price' does not exist/ },
    {
      what: 'an output taken for another type',
      after: 'const texts: string[] = answer.outputs.value.data; void texts;',
      message: /'string\[\]'/,
    },
  ])('has $what not compile', async ({ inputs = '{ hour: [1n], a: [1], b: [2] }', after, message }) => {
    expect(await checked(call(inputs, after))).toMatch(message);
  });
});

describe('the package', () => {
  it('holds the build, README and licence, and depends on nothing', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: installed });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['package.json', 'README.md', 'LICENSE', 'dist/index.js', 'dist/index.d.ts', 'dist/inference-types.js']),
    );
    expect(paths.filter((path) => !/^(package\.json|README\.md|LICENSE|dist\/[a-z-]+\.(js|d\.ts))$/.test(path))).toEqual([]);
    const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect([manifest['dependencies'], manifest['files']]).toEqual([undefined, ['dist', 'README.md']]);
  });
});
