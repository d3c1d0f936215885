import { connect, type Socket } from 'node:net';
import { Loop } from './loop.js';
import { type Payloads, requests } from './payloads.js';

/** A closed loop: each connection sends its next request when it has the answer to the last. */
export type LoadSpec = {
  readonly port: number;
  readonly model: string;
  readonly payloads: Payloads;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly ms: number;
};

/** Latencies in milliseconds, of the answers that came in the measured time. */
export type LoadResult = {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly answers: number;
  /** Answers with another status than 200, and connections that broke. */
  readonly failed: number;
  readonly firstFailure: string | null;
};

/**
 * Loads a server and measures it. Sockets and bytes alone, no HTTP client: the generator shall take as little of the machine
 * as can be, since the server is on the same one.
 */
export async function load(spec: LoadSpec): Promise<LoadResult> {
  const bodies = requests(`/v2/models/${spec.model}/infer`, spec.payloads);
  const loop = new Loop();
  let next = 0;

  const open = (): Socket => {
    const socket = connect(spec.port, '127.0.0.1');
    socket.setNoDelay(true);
    let sentMs = 0;
    let parts: Buffer[] = [];
    let have = 0;
    let need = -1;
    const send = (): void => {
      sentMs = performance.now();
      socket.write(bodies[next]!);
      next = (next + 1) % bodies.length;
    };
    socket.on('connect', send);
    socket.on('error', (error) => loop.broke(error.message));
    socket.on('data', (chunk) => {
      parts.push(chunk);
      have += chunk.length;
      if (need < 0) {
        const whole = parts.length === 1 ? chunk : Buffer.concat(parts);
        parts = [whole];
        need = lengthOf(whole);
      }
      if (need < 0 || have < need) return;
      const status = parts[0]!.toString('latin1', 9, 12);
      loop.answered(status === '200' ? null : Buffer.concat(parts).toString('utf8').slice(0, 500), sentMs);
      parts = [];
      have = 0;
      need = -1;
      if (!loop.stopped) send();
    });
    return socket;
  };

  const sockets = Array.from({ length: spec.connections }, open);
  const result = await loop.measure(spec);
  for (const socket of sockets) socket.destroy();
  return result;
}

/** Bytes of a whole answer, its head included; -1 while the head is not complete. */
function lengthOf(start: Buffer): number {
  const end = start.indexOf('\r\n\r\n');
  if (end < 0) return -1;
  const length = /\r\ncontent-length: *(\d+)/i.exec(start.toString('latin1', 0, end));
  if (length === null) throw new Error(`an answer without Content-Length: ${start.toString('latin1', 0, 200)}`);
  return end + 4 + Number(length[1]);
}
