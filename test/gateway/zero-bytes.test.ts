import { beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../gateway/gateway.js';
import { binaryBody, postBytes } from './support/binary.js';
import { post } from './support/requests.js';
import type { InferAnswer } from './support/requests.js';
import { identity, openStage } from './support/stage.js';

const stage = await openStage();
let gateway: Gateway;

beforeAll(async () => {
  gateway = await stage.serve([{ model: 'texts', version: '1.0.0', onnx: 'identity-texts', spec: identity }]);
});

const url = (): string => `${gateway.url}/v2/models/texts/infer`;
const said = 'input "x", element 1, holds a zero byte';

// onnxruntime-node hands text on as C has it: what follows a zero byte would be lost without a word.
describe('text with a zero byte', () => {
  it('is refused in JSON', async () => {
    const body = { inputs: [{ name: 'x', datatype: 'BYTES', shape: [1, 2], data: ['whole', 'cut\u0000off'] }] };
    const answer = await post<InferAnswer>(url(), body);
    expect([answer.status, answer.body.error]).toEqual([400, expect.stringContaining(said)]);
  });

  it('is refused in binary tensors', async () => {
    const element = (text: string): Buffer => {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const raw = Buffer.concat([element('whole'), element('cut\u0000off')]);
    const { body, headers } = binaryBody([{ name: 'x', datatype: 'BYTES', shape: [1, 2], bytes: raw }], {});
    const answer = await postBytes(url(), body, headers);
    expect([answer.status, JSON.stringify(answer)]).toEqual([400, expect.stringContaining('holds a zero byte')]);
  });
});
