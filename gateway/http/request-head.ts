import type { IncomingHttpHeaders } from 'node:http';

/** The head of a request that can be read in one way only. */
export type RequestHead = {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** By lower-case name, as `node:http` has them. */
  readonly headers: IncomingHttpHeaders;
  /** Length of the head itself, with the empty line at its end. */
  readonly bytes: number;
  readonly bodyBytes: number;
  /** Whether the caller wants the connection closed after the answer. */
  readonly closes: boolean;
};

/** Heads of more bytes or lines are unusual. */
const maxHeadBytes = 8 * 1024;
const maxHeaders = 64;

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const colon = 0x3a;

const tokenBytes = allowed("!#$%&'*+-.^_`|~");
const targetBytes = allowed("!$%&'()*+,-./:;=?@_~");

const starts = { GET: Buffer.from('GET /'), POST: Buffer.from('POST /') };
const version = Buffer.from('HTTP/1.1\r\n');

/**
 * Headers that change how a request is framed or what the connection is, or whose meaning is not theirs alone. Who sends
 * them is answered by `node:http`.
 */
const unusualNames: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'content-encoding',
  'trailer',
  'expect',
  'upgrade',
  'http2-settings',
  'proxy-connection',
  'set-cookie',
  '__proto__',
]);

/**
 * Reads a head byte by byte, and takes only what every reader of HTTP reads alike: `GET` or `POST` with a path, HTTP/1.1,
 * lines that end in CR LF, each header once, visible ASCII; a length of plain digits for `POST` and none for `GET`.
 * `incomplete` when the bytes may become such a head, `unusual` as soon as they cannot.
 */
export function readHead(bytes: Buffer): RequestHead | 'incomplete' | 'unusual' {
  const method = bytes[0] === 0x47 ? 'GET' : 'POST';
  const start = starts[method];
  const begins = sameFrom(bytes, 0, start);
  if (begins !== true) return begins;
  const targetAt = start.length - 1;
  const targetEnd = endOf(bytes, start.length, targetBytes);
  if (targetEnd === bytes.length) return tooLong(targetEnd);
  if (bytes[targetEnd] !== space) return 'unusual';
  const versioned = sameFrom(bytes, targetEnd + 1, version);
  if (versioned !== true) return versioned;

  const headers: IncomingHttpHeaders = {};
  let at = targetEnd + 1 + version.length;
  for (let count = 0; bytes[at] !== carriageReturn; count++) {
    const nameEnd = endOf(bytes, at, tokenBytes);
    if (nameEnd === bytes.length) return tooLong(nameEnd);
    if (nameEnd === at || bytes[nameEnd] !== colon || count >= maxHeaders) return 'unusual';
    let from = nameEnd + 1;
    while (bytes[from] === space || bytes[from] === tab) from++;
    const lineEnd = endOfValue(bytes, from);
    if (lineEnd >= bytes.length - 1) return lineEnd === bytes.length || bytes[lineEnd] === carriageReturn ? tooLong(lineEnd) : 'unusual';
    if (bytes[lineEnd] !== carriageReturn || bytes[lineEnd + 1] !== lineFeed) return 'unusual';
    let to = lineEnd;
    while (to > from && (bytes[to - 1] === space || bytes[to - 1] === tab)) to--;
    const name = bytes.toString('latin1', at, nameEnd).toLowerCase();
    if (unusualNames.has(name) || Object.hasOwn(headers, name)) return 'unusual';
    headers[name] = bytes.toString('latin1', from, to);
    at = lineEnd + 2;
  }
  if (at + 1 >= bytes.length) return tooLong(at);
  if (bytes[at + 1] !== lineFeed || at + 2 > maxHeadBytes) return 'unusual';

  const bodyBytes = lengthOf(headers['content-length'], method);
  const closes = closing(headers.connection);
  if (bodyBytes === null || closes === null || headers.host === undefined) return 'unusual';
  const url = bytes.toString('latin1', targetAt, targetEnd);
  return { method, url, headers, bytes: at + 2, bodyBytes, closes };
}

/** Bytes of the body; null where that is not told in the usual way. */
function lengthOf(told: string | undefined, method: 'GET' | 'POST'): number | null {
  if (method === 'GET') return told === undefined ? 0 : null;
  return told !== undefined && /^(0|[1-9]\d{0,8})$/.test(told) ? Number(told) : null;
}

function closing(connection: string | undefined): boolean | null {
  if (connection === undefined) return false;
  const wanted = connection.toLowerCase();
  if (wanted === 'keep-alive') return false;
  return wanted === 'close' ? true : null;
}

/** Whether these bytes stand there: `incomplete` when they end too early. */
function sameFrom(bytes: Buffer, from: number, expected: Buffer): true | 'incomplete' | 'unusual' {
  const end = Math.min(bytes.length - from, expected.length);
  for (let i = 0; i < end; i++) if (bytes[from + i] !== expected[i]) return 'unusual';
  return end === expected.length ? true : 'incomplete';
}

function endOf(bytes: Buffer, from: number, allowedBytes: Uint8Array): number {
  let at = from;
  while (at < bytes.length && allowedBytes[bytes[at]!] === 1) at++;
  return at;
}

/** Where visible ASCII, spaces and tabs end. */
function endOfValue(bytes: Buffer, from: number): number {
  let at = from;
  for (; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if ((byte < space && byte !== tab) || byte > 0x7e) break;
  }
  return at;
}

function tooLong(bytes: number): 'incomplete' | 'unusual' {
  return bytes > maxHeadBytes ? 'unusual' : 'incomplete';
}

/** One for each letter, digit and these. */
function allowed(others: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${others}`)) table[byte] = 1;
  return table;
}
