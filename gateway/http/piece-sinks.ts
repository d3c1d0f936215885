import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ReplyHeads } from './reply-heads.js';
import type { PieceSink } from './streamed-reply.js';

/** Pieces for a response of `node:http`; a connection that `closes` is not kept. */
export function responseSink(response: ServerResponse, closes: boolean): PieceSink {
  return {
    events: response,
    get destroyed() {
      return response.destroyed;
    },
    begin({ status, contentType, headers }) {
      const connection = closes ? { Connection: 'close' } : {};
      response.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store', ...headers, ...connection });
      response.flushHeaders();
    },
    write: (piece) => response.write(piece),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}

/** Pieces for a connection of the quick lane: each is a chunk. What becomes of the connection afterwards is not told here. */
export function chunkSink(socket: Socket, heads: ReplyHeads, closes: boolean): PieceSink {
  return {
    events: socket,
    get destroyed() {
      return !socket.writable;
    },
    begin: (reply) => void socket.write(heads.chunked(reply, closes), 'latin1'),
    write(piece) {
      const bytes = Buffer.byteLength(piece);
      // A chunk without bytes would be the end.
      if (bytes === 0) return true;
      socket.cork();
      socket.write(`${bytes.toString(16)}\r\n`, 'latin1');
      socket.write(piece);
      const taken = socket.write('\r\n', 'latin1');
      socket.uncork();
      return taken;
    },
    end: () => void socket.write('0\r\n\r\n', 'latin1'),
    destroy: () => void socket.destroy(),
  };
}
