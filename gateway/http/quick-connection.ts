import type { Socket } from 'node:net';
import { HeadReader } from './head-reader.js';
import type { HeldRefusals } from './held-refusals.js';
import { chunkSink } from './piece-sinks.js';
import type { Reply } from './reply.js';
import type { ReplyHeads } from './reply-heads.js';
import type { RequestHead } from './request-head.js';
import { type StreamedReply, sendStream } from './streamed-reply.js';
import type { RequestTurns } from './request-turns.js';
import type { TurnEnd } from './turn-end.js';
import { WholeRequest } from './whole-request.js';
import { writeReply } from './write-reply.js';

/** What the connections of a quick lane have in common. */
export type QuickDeps = {
  /** Answers every request; neither throws nor rejects. */
  readonly handle: (request: WholeRequest) => Reply | Promise<Reply>;
  readonly heads: ReplyHeads;
  readonly refusals: HeldRefusals;
  readonly turns: RequestTurns;
  readonly turnEnd: TurnEnd;
  readonly sendTimeoutMs: number;
  /** Whether answers advise to connect anew. */
  isDraining(): boolean;
  /** Whoever takes the connection over reads these bytes first. */
  handOver(socket: Socket, unread: Buffer): void;
  /** A connection broke, or ended within a request. */
  broken(error: NodeJS.ErrnoException, socket: Socket): void;
  /** The connection is no longer one of the lane. */
  left(connection: QuickConnection): void;
};

/** Larger bodies are unusual: they are better read by and by. */
const maxBodyBytes = 64 * 1024;
/** A head in more pieces than this is unusual. */
const maxHeadPieces = 4;

/**
 * `fresh`: nothing has come yet. `begun`: a part of a request has. `working`: one is being answered. `idle`: it was, and
 * nothing has come since. `closing`: the last answer was given. `left`: it has ended, or is another's.
 */
export type QuickState = 'fresh' | 'idle' | 'begun' | 'working' | 'closing' | 'left';

/** Probes wait for nobody, nor do their answers wait for others: an orchestrator kills a server that does not answer them in time, which helps no one. */
const asksForHealth = ({ method, url }: WholeRequest): boolean =>
  method === 'GET' && (url.startsWith('/v2/health/') || url === '/ping' || url === '/');

/**
 * A connection while all that comes on it is usual: one whole request after the other, each sent when the one before was
 * answered. With anything else it is handed over for good, before any of that is answered.
 */
export class QuickConnection {
  readonly #socket: Socket;
  readonly #deps: QuickDeps;
  readonly #reader = new HeadReader();
  #state: QuickState = 'fresh';
  /** What has come of a request that is not complete, or behind one that is being answered. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Bytes of the request that has begun; 0 while its head is not complete. */
  #needed = 0;
  #headPieces = 0;
  #closes = false;
  /** The request that waits for its turn. */
  #waiting: WholeRequest | null = null;
  /** The answer that goes out at the end of the turn. */
  #due: Reply | null = null;
  /** Answers on end that refused. */
  #refusals = 0;
  #turns = 0;

  constructor(socket: Socket, deps: QuickDeps) {
    this.#socket = socket;
    this.#deps = deps;
    socket.on('data', this.#received);
    socket.on('end', this.#ended);
    socket.on('error', this.#failed);
    socket.on('close', this.#leave);
  }

  get state(): QuickState {
    return this.#state;
  }

  /** Whether the caller has not taken all of an answer yet. */
  get isUnread(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Counts a turn of a clock; answers the turns since a request began, was answered, or the connection was opened. */
  turn(): number {
    return ++this.#turns;
  }

  /** Gives the connection away, with what has come of a request. */
  handOver(): void {
    this.#giveAway(this.#taken());
  }

  /** Ends the connection with an answer that says why. */
  refuse(error: NodeJS.ErrnoException): void {
    this.#enter('closing');
    this.#deps.broken(error, this.#socket);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #received = (chunk: Buffer): void => {
    switch (this.#state) {
      case 'fresh':
      case 'idle':
        return this.#read(chunk);
      case 'begun':
        this.#keep(chunk);
        if (this.#bytes >= this.#needed) this.#read(this.#taken());
        return;
      case 'working':
        // Its turn comes after the answer; until then no more is taken from the caller.
        this.#keep(chunk);
        this.#socket.pause();
        return;
      case 'closing':
      case 'left':
    }
  };

  #read(bytes: Buffer): void {
    // Who asks on without reading the answers is not usual.
    if (this.isUnread) return this.#giveAway(bytes);
    const head = this.#reader.read(bytes);
    if (head === 'unusual') return this.#giveAway(bytes);
    if (head === 'incomplete') return ++this.#headPieces > maxHeadPieces ? this.#giveAway(bytes) : this.#wait(bytes, 0);
    this.#headPieces = 0;
    const needed = head.bytes + head.bodyBytes;
    if (bytes.length === needed && head.bodyBytes <= maxBodyBytes) return this.#answer(head, bytes);
    // Nor is a request that does not wait for the answer.
    if (bytes.length > needed || head.bodyBytes > maxBodyBytes) return this.#giveAway(bytes);
    this.#wait(bytes, needed);
  }

  #wait(bytes: Buffer, needed: number): void {
    if (this.#state !== 'begun') this.#enter('begun');
    this.#needed = needed;
    this.#keep(bytes);
  }

  #answer(head: RequestHead, bytes: Buffer): void {
    const { method, url, headers } = head;
    this.#closes = head.closes;
    this.#enter('working');
    const request = new WholeRequest({ method, url, headers, body: bytes.subarray(head.bytes), socket: this.#socket });
    if (asksForHealth(request)) return this.#handle(request, this.#sendNow);
    if (this.#deps.turns.isOpen()) return this.#handle(request, this.#send);
    this.#waiting = request;
    this.#deps.turns.later(this.#handleWaiting);
  }

  /** Made once: thousands wait where there is a flood, and what they leave behind is to be collected. */
  readonly #handleWaiting = (): void => {
    const request = this.#waiting;
    this.#waiting = null;
    if (request !== null && this.#state === 'working') this.#handle(request, this.#send);
  };

  #handle(request: WholeRequest, send: (reply: Reply) => void): void {
    const reply = this.#deps.handle(request);
    if (reply instanceof Promise) reply.then(send, this.#cut);
    else send(reply);
  }

  readonly #send = (reply: Reply): void => {
    if (reply.status !== 503 && reply.status !== 429) this.#refusals = 0;
    else if (++this.#refusals > 1 || this.#deps.refusals.isHolding) return this.#deps.refusals.hold(() => this.#sendNow(reply));
    this.#due = reply;
    this.#deps.turnEnd.add(this.#sendDue);
  };

  readonly #sendDue = (): void => {
    const reply = this.#due;
    this.#due = null;
    if (reply !== null) this.#sendNow(reply);
  };

  readonly #sendNow = (reply: Reply): void => {
    if (this.#deps.isDraining()) this.#closes = true;
    if (reply.stream !== undefined) return void this.#stream({ ...reply, stream: reply.stream });
    try {
      if (this.#socket.writable) writeReply(this.#socket, reply, { heads: this.#deps.heads, closes: this.#closes });
      this.#answered();
      reply.sent?.(reply);
    } catch {
      this.#cut();
    }
  };

  async #stream(reply: StreamedReply): Promise<void> {
    await sendStream(chunkSink(this.#socket, this.#deps.heads, this.#closes), reply, this.#deps.sendTimeoutMs);
    this.#answered();
  }

  #answered(): void {
    if (this.#state !== 'working') return;
    if (this.#closes) {
      this.#enter('closing');
      this.#socket.destroySoon();
      return;
    }
    this.#enter('idle');
    if (this.#bytes > 0 && !this.#socket.destroyed) this.handOver();
  }

  /** Neither may a fault of ours end the process, nor leave the caller waiting. */
  readonly #cut = (): void => {
    this.#socket.destroy();
  };

  readonly #ended = (): void => {
    if (this.#state === 'begun') return this.refuse(Object.assign(new Error('the request ended early'), { code: 'HPE_INVALID_EOF_STATE' }));
    this.#socket.end();
  };

  readonly #failed = (error: NodeJS.ErrnoException): void => this.#deps.broken(error, this.#socket);

  readonly #leave = (): void => {
    if (this.#state === 'left') return;
    this.#state = 'left';
    this.#deps.left(this);
  };

  #giveAway(unread: Buffer): void {
    const socket = this.#socket;
    socket.off('data', this.#received);
    socket.off('end', this.#ended);
    socket.off('error', this.#failed);
    socket.off('close', this.#leave);
    this.#leave();
    this.#deps.handOver(socket, unread);
  }

  #enter(state: QuickState): void {
    this.#state = state;
    this.#turns = 0;
  }

  #keep(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #taken(): Buffer {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    return bytes;
  }
}
