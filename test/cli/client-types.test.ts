import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { changeGatewayKeys, gatewayKeySource } from '../../adapters/keys/gateway-key-file.js';
import { makeGatewayKey } from '../../adapters/keys/gateway-key.js';
import { signatureNames } from '../../clients/inference/src/write-signature.js';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage } from '../gateway/support/stage.js';
import { emptyHome, run } from './run.js';

const stage = await openStage();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await stage.serve([{ model: 'demand-forecast', version: '1.0.0', onnx: 'linear' }]);
});

const types = (args: readonly string[], env: Record<string, string> = {}) =>
  run(['client', 'types', ...args], { env: { PERENNIAL_HOME: emptyHome(), PERENNIAL_GATEWAY_URL: gateway.url, ...env } });

describe('client types', () => {
  test('writes the signature of the live model into a file, and says what to do with it', async () => {
    const file = join(emptyHome(), 'demand-forecast.ts');
    const { code, stdout } = await types(['demand-forecast', '--out', file]);
    expect(code).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(
      /export const demandForecast = \{[^]*name: "hour", datatype: 'INT64', shape: \[-1\][^]*export type DemandForecast = typeof demandForecast;/,
    );
    expect(stdout).toContain(`Written: demandForecast and DemandForecast, 3 inputs and 1 output, in ${file}`);
    expect(stdout).toContain("import { demandForecast } from './demand-forecast.js'");
    // What it wrote is written again; what somebody else wrote is not.
    expect((await types(['demand-forecast', '--out', file])).code).toBe(0);
    writeFileSync(file, 'export const mine = 1;\n');
    expect(await types(['demand-forecast', '--out', file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did not write') as string,
    });
    expect(readFileSync(file, 'utf8')).toBe('export const mine = 1;\n');
  });

  test('prints them, or one document with --json', async () => {
    const plain = await types(['demand-forecast', '--version', '1.0.0']);
    expect(plain).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await types(['demand-forecast', '--json']);
    expect(JSON.parse(stdout)).toEqual({
      model: 'demand-forecast',
      version: null,
      file: null,
      constant: 'demandForecast',
      type: 'DemandForecast',
      types: plain.stdout,
    });
  });

  test('says why there are none', async () => {
    const unknown = await types(['nobody']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('serves no model nobody. It serves demand-forecast; ./perennial status');
    expect((await types(['demand-forecast', '--version', '9.9.9'])).stderr).toContain('has not loaded version 9.9.9');
    const away = await types(['demand-forecast', '--json'], { PERENNIAL_GATEWAY_URL: 'http://127.0.0.1:1' });
    expect(away.code).toBe(1);
    expect(JSON.parse(away.stdout)).toMatchObject({
      error: {
        type: 'Unavailable',
        message: expect.stringMatching(/does not answer at http:\/\/127\.0\.0\.1:1.*\.\/perennial up/) as string,
      },
    });
    expect((await types(['demand-forecast', '--out', join(emptyHome(), 'none', 'x.ts')])).stderr).toContain('cannot be written');
    expect((await types([])).code).toBe(2);
  });

  test('shows the key that a closed gateway wants', async () => {
    const file = join(stage.folder, 'keys.json');
    const { key, secret } = makeGatewayKey(
      { name: 'shop', role: 'predict', models: null, requestsPerSecond: null, expiresAtMs: null },
      Date.now(),
    );
    await changeGatewayKeys(file, () => [key]);
    const closed = await stage.start({ folder: join(stage.folder, 'closed') }, { keys: gatewayKeySource(file, 10) });
    const at = { PERENNIAL_GATEWAY_URL: closed.url };
    expect((await types(['demand-forecast'], at)).stderr).toContain('wants a key');
    expect((await types(['demand-forecast'], { ...at, PERENNIAL_GATEWAY_KEY: secret })).stdout).toContain('demandForecast');
  });
});

test.each([
  ['demand-forecast', 'demandForecast', 'DemandForecast'],
  ['2-towers', 'model2Towers', 'Model2Towers'],
  ['class', 'classModel', 'Class'],
  ['--', 'model', 'Model'],
])('the module of %s exports %s and %s', (model, constant, type) => {
  expect(signatureNames(model)).toEqual({ constant, type });
});
