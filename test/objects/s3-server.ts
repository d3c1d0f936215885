import { spawn } from 'node:child_process';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll } from 'vitest';
import { freePort } from '../../tools/ports.mjs';
import { testPlaces } from '../support/servers.js';

/** A real S3-compatible server (moto) on loopback. */
export async function startS3(): Promise<{ url: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const program = `from moto.server import main; main(["-H", "127.0.0.1", "-p", "${port}"])`;
  const child = spawn(testPlaces().pythonTest, ['-c', program], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  while (
    !(await fetch(`${url}/moto-api/`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`moto did not start: ${said}`);
    await delay(50);
  }
  return { url, stop: () => (child.kill('SIGKILL'), ended) };
}

/** What a client of that server shows. */
export const s3Credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** An S3 server with this bucket for a test file, a proxy before it that can be told to fail, and a client that goes past the proxy. */
export async function openS3(Bucket: string) {
  const server = await startS3();
  const proxy = await startFaultyProxy(server.url);
  afterAll(async () => {
    proxy.stop();
    await server.stop();
  });
  const direct = new S3Client({ endpoint: server.url, region: 'us-east-1', credentials: s3Credentials, forcePathStyle: true });
  await direct.send(new CreateBucketCommand({ Bucket }));
  return { server, proxy, direct };
}

/** What a faulty network or store does to one exchange. */
export type Fault = 'busy' | 'broken' | 'reset' | 'truncate' | 'flip';
type Exchange = { readonly from: IncomingMessage; readonly to: ServerResponse; readonly body: Buffer };

/** Stands before an S3 server and does the next fault of its list to each exchange of the given method. */
export async function startFaultyProxy(
  target: string,
): Promise<{ url: string; requests: string[]; next: (method: string, faults: Fault[]) => void; stop: () => void }> {
  const pending = new Map<string, Fault[]>();
  const requests: string[] = [];
  const server = createServer((from, to) => {
    const chunks: Buffer[] = [];
    from.on('data', (chunk: Buffer) => chunks.push(chunk));
    from.on('end', () => {
      requests.push(from.method ?? '');
      exchange({ from, to, body: Buffer.concat(chunks) }, pending.get(from.method ?? '')?.shift());
    });
  });
  function exchange({ from, to, body }: Exchange, fault: Fault | undefined): void {
    if (fault === 'reset') return void to.destroy();
    if (fault === 'busy' || fault === 'broken') {
      const [status, code] = fault === 'busy' ? [503, 'SlowDown'] : [500, 'InternalError'];
      to.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code><Message>as asked</Message></Error>`);
      return;
    }
    const sent = request(new URL(from.url ?? '', target), { method: from.method, headers: from.headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => {
        const whole = Buffer.concat(chunks);
        if (fault === 'flip') whole[0] = (whole[0] ?? 0) ^ 1;
        to.writeHead(answer.statusCode ?? 500, answer.headers);
        if (fault === 'truncate') to.write(whole.subarray(0, whole.length / 2), () => to.destroy());
        else to.end(from.method === 'HEAD' ? undefined : whole);
      });
    });
    sent.end(body);
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    next: (method, faults) => void pending.set(method, faults),
    stop: () => (server.closeAllConnections(), void server.close()),
  };
}
