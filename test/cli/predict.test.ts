import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { openStage } from '../gateway/support/stage.js';
import { emptyHome, run } from './run.js';

const stage = await openStage();
let gateway: Gateway;
beforeAll(async () => {
  gateway = await stage.serve([{ model: 'toy', version: '1.0.0', onnx: 'linear' }]);
});

// The control API is away: nobody listens on this port.
const predict = (model: string, ...args: readonly string[]) =>
  run(['predict', model, ...args], {
    env: {
      PERENNIAL_HOME: emptyHome(),
      PERENNIAL_GATEWAY_URL: gateway.url,
      PERENNIAL_API_URL: 'http://127.0.0.1:1',
      PERENNIAL_TOKEN: 'any',
    },
  });

describe('predict, while the control API is away', () => {
  test('knows the fields of a row from the gateway', async () => {
    const answered = await predict('toy', '--input', '{"hour":3600000,"a":7,"b":2}');
    expect(answered).toMatchObject({ code: 0, stderr: '' });
    expect(answered.stdout).toMatch(/toy 1\.0\.0 answers the row:\n.*hour\s+a\s+b\s+value.*\n\s*3600000\s+7\s+2\s+27\s/);
    const lacking = await predict('toy', '--input', '{"hour":3600000,"a":7}');
    expect(lacking).toMatchObject({ code: 1, stderr: expect.stringContaining('Row 0 lacks b. The fields are hour (INT64)') as string });
  });

  test('says that the API does not answer where the gateway does not know the model either, or an example is wanted', async () => {
    const message = expect.stringContaining('The control API does not answer at http://127.0.0.1:1') as string;
    expect(await predict('nobody', '--input', '{"hour":1}')).toMatchObject({ code: 1, stderr: message });
    expect(await predict('toy')).toMatchObject({ code: 1, stderr: message });
  });
});
