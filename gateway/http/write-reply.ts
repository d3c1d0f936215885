import type { Socket } from 'node:net';
import type { Reply } from './reply.js';
import type { ReplyHeads } from './reply-heads.js';

/** Larger answers are not copied to stand behind their head. */
const maxJoinedBytes = 16 * 1024;

/** Writes head and body of an answer, in one piece where it is small. */
export function writeReply(socket: Socket, reply: Reply, of: { readonly heads: ReplyHeads; readonly closes: boolean }): void {
  const { body } = reply;
  const bytes = Buffer.byteLength(body);
  const head = of.heads.whole(reply, bytes, of.closes);
  if (typeof body === 'string' && bytes === body.length) {
    // Nothing but ASCII: the quickest that there is.
    socket.write(head + body, 'latin1');
  } else if (bytes <= maxJoinedBytes) {
    socket.write(Buffer.concat([Buffer.from(head, 'latin1'), typeof body === 'string' ? Buffer.from(body) : body]));
  } else {
    socket.cork();
    socket.write(head, 'latin1');
    socket.write(body);
    socket.uncork();
  }
}
