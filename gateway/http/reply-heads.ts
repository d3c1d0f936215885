import { STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import type { Reply } from './reply.js';

type Start = { readonly contentType: string; readonly text: string };

/** Writes the heads of answers, with the same headers as `node:http` does. Throws for a header that is none. */
export class ReplyHeads {
  readonly #kept: string;
  /** By status, how the last answer of that status began. */
  readonly #starts = new Map<number, Start>();
  /** `Date` and the lines that keep the connection; empty when the second is over. */
  #ending = '';

  /** `keepAliveTimeoutMs`: how long a connection is kept, as callers are told. */
  constructor(keepAliveTimeoutMs: number) {
    this.#kept = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(keepAliveTimeoutMs / 1_000)}\r\n`;
  }

  /** The head of an answer whose body has so many bytes. */
  whole(reply: Reply, bytes: number, closes: boolean): string {
    return `${this.#startOf(reply)}Content-Length: ${bytes}\r\n${linesOf(reply.headers)}${this.#endOf(closes)}\r\n`;
  }

  /** The head of an answer whose body comes in chunks. */
  chunked(reply: Reply, closes: boolean): string {
    return `${this.#startOf(reply)}Cache-Control: no-store\r\n${linesOf(reply.headers)}${this.#endOf(closes)}Transfer-Encoding: chunked\r\n\r\n`;
  }

  #startOf({ status, contentType }: Reply): string {
    const last = this.#starts.get(status);
    if (last?.contentType === contentType) return last.text;
    const text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n${line('Content-Type', contentType)}`;
    this.#starts.set(status, { contentType, text });
    return text;
  }

  #endOf(closes: boolean): string {
    if (this.#ending === '') {
      const now = new Date();
      this.#ending = `Date: ${now.toUTCString()}\r\n${this.#kept}`;
      setTimeout(() => (this.#ending = ''), 1_000 - now.getMilliseconds()).unref();
    }
    return closes ? `${this.#ending.slice(0, -this.#kept.length)}Connection: close\r\n` : this.#ending;
  }
}

function linesOf(headers: Reply['headers']): string {
  let lines = '';
  for (const name in headers) lines += line(name, headers[name]!);
  return lines;
}

function line(name: string, value: string): string {
  validateHeaderName(name);
  validateHeaderValue(name, value);
  return `${name}: ${value}\r\n`;
}
