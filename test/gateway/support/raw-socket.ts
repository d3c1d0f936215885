import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { pairs } from './requests.js';

/** A connection to a gateway, byte by byte. */
export type RawSocket = {
  readonly socket: Socket;
  /** What was received so far, each byte one character. */
  readonly received: () => string;
  /** Resolves when what was received passes the test, or the connection ends; answers all of it. */
  until(enough: (received: string) => boolean): Promise<string>;
  /** Resolves when the connection ends, however it ends; answers all that was received. */
  readonly closed: Promise<string>;
};

export function openRaw(url: string): Promise<RawSocket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let text = '';
    let over = false;
    const waiting = new Set<() => void>();
    const look = () => waiting.forEach((one) => one());
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    const closed = new Promise<string>((ended) =>
      socket.on('close', () => {
        over = true;
        look();
        ended(text);
      }),
    );
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      look();
    });
    // A reset by the server ends the connection like any other end: tests look at what came before it.
    socket.on('error', (error) => reject(error));
    socket.on('connect', () =>
      resolve({
        socket,
        received: () => text,
        closed,
        until: (enough) =>
          new Promise((done) => {
            const check = () => {
              if (!over && !enough(text)) return;
              waiting.delete(check);
              done(text);
            };
            waiting.add(check);
            check();
          }),
      }),
    );
  });
}

/** Sends these bytes and answers what comes until the server closes the connection. */
export async function exchange(url: string, bytes: string | Uint8Array): Promise<string> {
  const raw = await openRaw(url);
  raw.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  return raw.closed;
}

/** Statuses of the answers in what was received, in order. */
export function statusesOf(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

const goodBody = JSON.stringify(pairs([[1, 2]]));

/** A request that is answered 200 by a model of the `linear` fixture, with more header lines where given. */
export function goodRequest(model: string, { headers = '', body = goodBody }: { headers?: string; body?: string } = {}): string {
  return `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}
