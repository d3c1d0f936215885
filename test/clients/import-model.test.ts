import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../adapters/objects/digest.js';
import { ApiClient } from '../../clients/client/api-client.js';
import type { PerennialClient } from '../../clients/client/perennial-client.js';
import { until } from '../workflows/waiting.js';
import { openStack, type Stack, token } from './stack.js';

const folder = mkdtempSync(join(tmpdir(), 'perennial-upload-'));
const file = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

describe('a service that imports a model', () => {
  let stack: Stack;
  let client: PerennialClient;
  beforeAll(async () => {
    stack = await openStack();
    await stack.approver('ann');
    client = await stack.connect();
  });
  afterAll(async () => {
    await client?.close();
    await stack?.close();
  });
  const by = { by: 'billing', reason: 'trained on October' };
  const approve = async (model: string): Promise<void> => {
    await until(async () => (await stack.registry.status(model)).waiting.length > 0);
    expect((await stack.cli(['approve', model, '1.0.0', '--by', 'ann', '--yes'])).code).toBe(0);
  };

  test('by paths and bytes gets one run, however often it asks', async () => {
    const { name } = await stack.publishImported();
    const onnx = randomBytes(3_000_000);
    const asked = {
      ...by,
      onnx: file('model.onnx', onnx),
      example: Buffer.from('{"inputs":[]}'),
      expected: file('answer.json', Buffer.from('{"outputs":[]}')),
      framework: 'pytorch 2.9',
      trainedTo: new Date(Date.UTC(2026, 9, 1)),
      requestId: 'october',
    };
    const answer = await client.importModel(name, asked);
    if (answer.kind !== 'started') throw new Error(JSON.stringify(answer));
    expect(await client.importModel(name, { ...asked, onnx })).toEqual(answer);
    await approve(name);
    expect(await client.waitForRun(answer.workflowId)).toMatchObject({ run: answer.run, version: '1.0.0', outcome: 'promoted' });
    expect(await client.api.runs({ model: name })).toHaveLength(1);
    const version = await client.api.version(name, '1.0.0');
    expect(version).toMatchObject({ trainedToMs: Date.UTC(2026, 9, 1), changelog: 'first version, imported from pytorch 2.9' });
    const inPackage = version.package.files.find(({ path }) => path === 'model.onnx')!;
    expect(Buffer.compare(await client.api.packageFile({ model: name, version: '1.0.0', digest: inPackage.digest }), onnx)).toBe(0);
  });

  test('without access to Temporal asks the control API alone', async () => {
    const { name } = await stack.publishImported();
    const onnx = await client.api.upload(randomBytes(100), 'application/onnx');
    const ask = async () => {
      const response = await fetch(`${stack.apiUrl}/api/models/${name}/retrain`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...by, requestId: 'one', imported: { onnx, framework: 'lightgbm 4.6.0' } }),
      });
      return (await response.json()) as { kind: string; workflowId: string };
    };
    const answer = await ask();
    expect(answer.kind).toBe('started');
    expect(await ask()).toEqual(answer);
    await approve(name);
    expect(await client.waitForRun(answer.workflowId)).toMatchObject({ version: '1.0.0', outcome: 'promoted' });
  });

  test('of the wrong kind, or that nobody published, hears of it before bytes are sent', async () => {
    const { name } = await stack.publish();
    const absent = { ...by, onnx: join(folder, 'absent.onnx') };
    expect(await client.importModel(name, absent)).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/trained here/) as string,
    });
    await expect(client.importModel('nowhere', absent)).rejects.toThrow(/There is no model nowhere/);
  });

  test('is told how far an upload is', async () => {
    const seen: number[] = [];
    const bytes = randomBytes(600_000);
    await client.api.upload(bytes, 'application/onnx', (sent, total) => {
      expect(total).toBe(bytes.length);
      seen.push(sent);
    });
    expect(seen).toEqual([262_144, 524_288, 600_000]);
  });

  test('hears of a file that cannot be sent', async () => {
    const upload = (path: string) => client.api.upload(path, 'application/onnx');
    await expect(upload(join(folder, 'absent'))).rejects.toMatchObject({
      type: 'DataInvalid',
      message: expect.stringMatching(/absent cannot be read/),
    });
    await expect(upload(folder)).rejects.toThrow(/is no file/);
    await expect(upload(file('empty', Buffer.alloc(0)))).rejects.toThrow(/empty is empty/);
    const large = file('large', randomBytes(1));
    truncateSync(large, 2 ** 31 + 1);
    await expect(upload(large)).rejects.toThrow(/has 2147483649 bytes, and at most 2147483648 are taken/);
    await expect(client.api.upload(Buffer.from('{'), 'application/json')).rejects.toMatchObject({
      type: 'DataInvalid',
      details: { status: 400 },
    });
    const growing = file('growing', randomBytes(3_000_000));
    const grown = client.api.upload(growing, 'application/onnx', (sent) => sent < 1_500_000 && appendFileSync(growing, 'more'));
    await expect(grown).rejects.toThrow(/growing changed while it was read/);
  });

  test('with a wrong token is denied', async () => {
    const stranger = new ApiClient({ apiUrl: stack.apiUrl, token: 'x'.repeat(43) });
    await expect(stranger.upload(randomBytes(10), 'application/onnx')).rejects.toMatchObject({
      type: 'NotApproved',
      details: { status: 401 },
    });
  });
});

describe('an upload to a server that is not right', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());
  const to = async (answer: RequestListener): Promise<ApiClient> => {
    server = createServer(answer);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return new ApiClient({ apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token });
  };
  const bytes = randomBytes(5_000_000);

  test('is refused when it stored other bytes', async () => {
    const digest = digestOf(Buffer.from('other'));
    const api = await to((request, response) => {
      request.resume().on('end', () => response.end(JSON.stringify({ digest, bytes: 5, mediaType: 'application/onnx' })));
    });
    await expect(api.upload(bytes, 'application/onnx')).rejects.toMatchObject({
      type: 'ArtifactRejected',
      message: expect.stringMatching(new RegExp(`${digestOf(bytes)} became ${digest}`)),
    });
  });

  test('is unavailable when it hangs up, or is not there', async () => {
    const api = await to((request) => request.socket.destroy());
    await expect(api.upload(bytes, 'application/onnx')).rejects.toMatchObject({ type: 'Unavailable' });
    const nobody = new ApiClient({ apiUrl: 'http://127.0.0.1:1', token });
    await expect(nobody.upload(bytes, 'application/onnx')).rejects.toMatchObject({ type: 'Unavailable' });
  });

  test('says its length, so that one that breaks off is seen', async () => {
    let told: string | undefined;
    const api = await to((request, response) => {
      told = request.headers['content-length'];
      request
        .resume()
        .on('end', () => response.end(JSON.stringify({ digest: digestOf(bytes), bytes: bytes.length, mediaType: 'application/onnx' })));
    });
    await api.upload(bytes, 'application/onnx');
    expect(told).toBe('5000000');
  });
});
