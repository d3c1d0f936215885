import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../adapters/objects/digest.js';
import { openUploads } from '../../clients/api/uploads.js';
import { openStack, type Stack, token } from '../clients/stack.js';
import { freshWorkspace } from '../support/workspace.js';
import { until } from '../workflows/waiting.js';

const onnxLimit = 6_000_000;
let stack: Stack;
beforeAll(async () => {
  stack = await openStack({ withWorker: false, limits: { 'application/onnx': onnxLimit, 'application/json': 1_000 } });
});
afterAll(() => stack?.close());

type Sent = { readonly status: number; readonly body: { digest?: string; error?: { type: string; message: string } } };

async function send(bytes: Uint8Array | string, mediaType: string, more: Record<string, string> = {}): Promise<Sent> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': mediaType, ...more };
  const response = await fetch(`${stack.apiUrl}/api/objects`, { method: 'POST', headers, body: bytes });
  return { status: response.status, body: (await response.json()) as Sent['body'] };
}

/** Sends a head and what comes after it, byte by byte as given, and waits for what is answered until the end. */
function raw(head: readonly string[], body: Uint8Array | string, then: 'end' | 'destroy' | 'wait'): Promise<string> {
  const { port } = new URL(stack.apiUrl);
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(port), '127.0.0.1', () => {
      const lines = ['POST /api/objects HTTP/1.1', `Host: 127.0.0.1:${port}`, `Authorization: Bearer ${token}`, ...head];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      socket.write(body, () => {
        // The server has begun to write it down.
        if (then === 'destroy') void until(() => Promise.resolve(unfinished().length > 0)).then(() => socket.destroy());
        if (then === 'end') socket.end();
      });
    });
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

const unfinished = (): string[] => readdirSync(join(stack.home, 'uploads'));
const stored = (): string[] =>
  readdirSync(join(stack.home, 'objects'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .toSorted();
const gone = () => until(() => Promise.resolve(unfinished().length === 0));

describe('an upload', () => {
  test('beyond the limit of other routes is stored under its digest, once', async () => {
    const bytes = randomBytes(5_500_000);
    const first = await send(bytes, 'application/onnx');
    expect(first).toEqual({ status: 200, body: { digest: digestOf(bytes), bytes: bytes.length, mediaType: 'application/onnx' } });
    const before = stored();
    expect(await send(bytes, 'application/onnx')).toEqual(first);
    expect(stored()).toEqual(before);
    expect(Buffer.compare(await stack.objects.get(digestOf(bytes)), bytes)).toBe(0);
    expect(unfinished()).toEqual([]);
  });

  test('in chunks of unknown number is stored too', async () => {
    const bytes = randomBytes(3_000_000);
    const answered = await new Promise<string>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/onnx', 'transfer-encoding': 'chunked' };
      const outgoing = request(`${stack.apiUrl}/api/objects`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(text));
      });
      outgoing.on('error', reject);
      for (let at = 0; at < bytes.length; at += 100_000) outgoing.write(bytes.subarray(at, at + 100_000));
      outgoing.end();
    });
    expect(JSON.parse(answered)).toEqual({ digest: digestOf(bytes), bytes: bytes.length, mediaType: 'application/onnx' });
  });

  test('of JSON must be JSON', async () => {
    const json = '{"inputs":[]}';
    expect(await send(json, 'application/json; charset=utf-8')).toMatchObject({
      status: 200,
      body: { digest: digestOf(Buffer.from(json)) },
    });
    const before = stored();
    for (const wrong of ['{"inputs":', 'NaN', new Uint8Array([0x22, 0xff, 0x22])]) {
      const { status, body } = await send(wrong, 'application/json');
      expect([status, body.error?.type]).toEqual([400, 'DataInvalid']);
      expect(body.error?.message).toMatch(/no JSON, as its Content-Type says/);
    }
    expect(stored()).toEqual(before);
    expect(unfinished()).toEqual([]);
  });

  test.each([
    {
      what: 'another media type',
      mediaType: 'application/octet-stream',
      headers: {},
      message: /Content-Type is "application\/octet-stream".*application\/onnx and application\/json/,
    },
    {
      what: 'an encoded body',
      mediaType: 'application/onnx',
      headers: { 'content-encoding': 'gzip' },
      message: /Content-Encoding gzip/,
    },
  ])('of $what is refused', async ({ mediaType, headers, message }) => {
    const before = stored();
    const { status, body } = await send(randomBytes(10), mediaType, headers);
    expect([status, body.error?.type]).toEqual([400, 'DataInvalid']);
    expect(body.error?.message).toMatch(message);
    expect(stored()).toEqual(before);
  });

  test('of nothing is refused', async () => {
    for (const head of [['Content-Length: 0'], ['Transfer-Encoding: chunked']]) {
      const answer = await raw(
        ['Content-Type: application/onnx', 'Connection: close', ...head],
        head[0]!.startsWith('T') ? '0\r\n\r\n' : '',
        'wait',
      );
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toMatch(/The body is empty/);
    }
  });

  test.each([
    ['told beforehand', (bytes: number) => [`Content-Length: ${bytes}`], (body: Buffer) => body.subarray(0, 10)],
    [
      'that shows as it comes',
      () => ['Transfer-Encoding: chunked'],
      (body: Buffer) => Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]),
    ],
  ])('of a size %s that is too large is answered 413 and leaves nothing', async (_what, head, body) => {
    const before = stored();
    const answer = await raw(
      ['Content-Type: application/onnx', 'Connection: close', ...head(onnxLimit + 1)],
      body(randomBytes(onnxLimit + 1)),
      'wait',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/larger than 6000000 bytes, the most that is taken of application\/onnx/);
    await gone();
    expect(stored()).toEqual(before);
  });

  test.each([
    ['Content-Length: 2000000', randomBytes(1_000_000)],
    ['Transfer-Encoding: chunked', Buffer.concat([Buffer.from('f4240\r\n'), randomBytes(1_000_000)])],
  ])('that is cut off (%s) stores nothing', async (length, body) => {
    const before = stored();
    for (const how of ['destroy', 'end'] as const) {
      await raw(['Content-Type: application/onnx', length], body, how);
      await gone();
    }
    expect(stored()).toEqual(before);
  });

  test('that the store refuses leaves nothing behind', async () => {
    const { home } = freshWorkspace();
    const folder = join(home, 'uploads');
    const uploads = await openUploads({ objects: { putFile: () => Promise.reject(new Error('full')) }, folder });
    const body = new Blob([randomBytes(10)]).stream();
    await expect(uploads.receive({ body, mediaType: 'application/onnx', length: null })).rejects.toThrow('full');
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('what a process that died left of an upload goes when the next one starts, and what still comes stays', async () => {
  const { home } = freshWorkspace();
  const folder = join(home, 'uploads');
  mkdirSync(folder);
  for (const name of ['old', 'new']) writeFileSync(join(folder, name), 'part');
  utimesSync(join(folder, 'old'), new Date(Date.now() - 7_200_000), new Date(Date.now() - 7_200_000));
  await openUploads({ objects: { putFile: () => Promise.reject(new Error('unused')) }, folder });
  expect(readdirSync(folder)).toEqual(['new']);
});

describe('a run of an imported file', () => {
  const ask = async (imported: object) => {
    const { name } = await stack.publish();
    const response = await fetch(`${stack.apiUrl}/api/models/${name}/retrain`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ by: 'ann', reason: 'a test', imported }),
    });
    return { status: response.status, body: (await response.json()) as { kind?: string; reason?: string; error?: { message: string } } };
  };
  const ref = (digit: string) => ({ digest: `sha256:${digit.repeat(64)}`, bytes: 10, mediaType: 'application/onnx' });

  test('that nobody uploaded is refused with the way out, before a run starts', async () => {
    const { body: example } = await send('{"inputs":[]}', 'application/json');
    const { status, body } = await ask({ onnx: ref('a'), example, expected: ref('b') });
    expect([status, body.kind]).toEqual([200, 'refused']);
    expect(body.reason).toMatch(
      /no imported\.onnx \(sha256:aaa.*, no imported\.expected \(sha256:bbb.*\): send the bytes to POST \/api\/objects first/,
    );
    expect(body.reason).not.toMatch(/imported\.example/);
  });

  test.each([
    [{}, /json\.imported\.onnx/],
    [{ onnx: { ...ref('a'), digest: 'sha256:1' } }, /json\.imported\.onnx\.digest: sha256: and 64 hexadecimal digits/],
    [{ onnx: { ...ref('a'), bytes: 2 ** 31 + 1 } }, /json\.imported\.onnx\.bytes/],
    [{ onnx: ref('a'), tolerance: -1 }, /json\.imported\.tolerance/],
    [{ onnx: ref('a'), tolerance: 2 }, /json\.imported\.tolerance/],
    [{ onnx: ref('a'), expected: ref('b') }, /json\.imported\.example: the request to which "expected" is the answer/],
    [{ onnx: ref('a'), tolerance: 0.1 }, /json\.imported\.expected/],
    [{ onnx: ref('a'), framework: '' }, /json\.imported\.framework/],
    [{ onnx: ref('a'), trainedTo: 1 }, /json\.imported/],
  ])('that is told wrong (%j) names the place', async (imported, place) => {
    const { status, body } = await ask(imported);
    expect(status).toBe(400);
    expect(body.error?.message).toMatch(place);
  });
});
