import { NumberReader } from './decimal.js';
import type { InferRequest, RequestInput } from './oip-request.js';
import { RowTexts } from './row-texts.js';

/**
 * Reads the JSON requests that are nearly all there are, tensors of numbers, truths and plain texts, from their bytes in one
 * pass: no text and no tree is made of the numbers. Answers null for anything else, valid or not: the general reader takes
 * that, and tells what is wrong. What this reader takes, the general one reads to the same request.
 */
export function readQuickly(body: Uint8Array): InferRequest | null {
  reader.open(body);
  return reader.request();
}

const none: InferRequest['parameters'] = Object.freeze({});
const maxDimensions = 8;

type Floats = { readonly values: Float64Array; readonly rows: RowTexts | null };

/** One at a time: a request is read within one turn. */
class QuickReader {
  readonly #numbers = new NumberReader();
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
  }

  request(): InferRequest | null {
    if (!this.#take(braceOpen)) return null;
    let id: string | null = null;
    let inputs: RequestInput[] | null = null;
    do {
      const key = this.#text();
      if (key === null || !this.#take(colon)) return null;
      if (key === 'id' && id === null) id = this.#text();
      else if (key === 'inputs' && inputs === null) inputs = this.#inputs();
      else return null;
      if (key === 'id' ? id === null : inputs === null) return null;
    } while (this.#take(comma));
    if (!this.#take(braceClose) || inputs === null) return null;
    this.#skip();
    return this.#at === this.#bytes.length ? { id, parameters: none, inputs, outputs: null } : null;
  }

  #inputs(): RequestInput[] | null {
    if (!this.#take(bracketOpen)) return null;
    const inputs: RequestInput[] = [];
    do {
      const input = this.#input();
      if (input === null) return null;
      inputs.push(input);
    } while (this.#take(comma));
    return this.#take(bracketClose) ? inputs : null;
  }

  /** An input whose data come last, as clients write them: what to read them as is known by then. */
  #input(): RequestInput | null {
    if (!this.#take(braceOpen)) return null;
    let name: string | null = null;
    let datatype: string | null = null;
    let shape: number[] | null = null;
    for (;;) {
      const key = this.#text();
      if (key === null || !this.#take(colon)) return null;
      if (key === 'data') break;
      if (key === 'name' && name === null) name = this.#text();
      else if (key === 'datatype' && datatype === null) datatype = this.#text();
      else if (key === 'shape' && shape === null) shape = this.#shape();
      else return null;
      if (!this.#take(comma)) return null;
    }
    if (name === null || datatype === null || shape === null) return null;
    if (datatype === 'FP32' || datatype === 'FP64') {
      const floats = this.#floats(shape);
      if (floats === null || !this.#take(braceClose)) return null;
      const { values: data, rows } = floats;
      return rows === null ? { name, datatype, shape, data } : { name, datatype, shape, data, rowTexts: rows };
    }
    const data = this.#values(datatype, shape);
    return data !== null && this.#take(braceClose) ? { name, datatype, shape, data } : null;
  }

  #shape(): number[] | null {
    if (!this.#take(bracketOpen)) return null;
    const shape: number[] = [];
    let size = 1;
    do {
      const dim = this.#number();
      size *= dim;
      // More elements than the body has bytes are somebody's mistake: the general reader says which.
      if (!(Number.isInteger(dim) && dim >= 1 && size <= this.#bytes.length) || shape.push(dim) > maxDimensions) return null;
    } while (this.#take(comma));
    return this.#take(bracketClose) ? shape : null;
  }

  /** Numbers as the shape says, in one list, or in a list of rows. Where the rows begin and end is kept for the captures. */
  #floats(shape: readonly number[]): Floats | null {
    let size = 1;
    for (const dim of shape) size *= dim;
    const values = new Float64Array(size);
    if (!this.#take(bracketOpen)) return null;
    const isNested = this.#sees(bracketOpen);
    if (shape.length !== 2)
      return !isNested && this.#list(values, { from: 0, to: size, end: bracketClose }) ? { values, rows: null } : null;
    const [rows, width] = shape as [number, number];
    const texts = new RowTexts(this.#bytes);
    for (let row = 0; row < rows; row++) {
      const isLast = row === rows - 1;
      if (isNested && ((row > 0 && !this.#take(comma)) || !this.#take(bracketOpen))) return null;
      const start = this.#at;
      const part = { from: row * width, to: (row + 1) * width, end: isNested || isLast ? bracketClose : comma };
      if (!this.#list(values, part)) return null;
      texts.add(start, this.#at - 1);
    }
    return !isNested || this.#take(bracketClose) ? { values, rows: texts } : null;
  }

  /** Numbers with commas between them, and what ends them. */
  #list(into: Float64Array, { from, to, end }: { from: number; to: number; end: number }): boolean {
    const numbers = this.#numbers;
    const bytes = this.#bytes;
    const last = to - 1;
    for (let i = from; i <= last; i++) {
      let at = this.#at;
      while (bytes[at] === space) at++;
      const value = numbers.read(bytes, at);
      if (value !== value) return false;
      into[i] = value;
      at = numbers.at;
      while (bytes[at] === space) at++;
      if (bytes[at] !== (i === last ? end : comma)) return false;
      this.#at = at + 1;
    }
    return true;
  }

  /** A list of integers, truths or texts of one dimension or of single columns. */
  #values(datatype: string, shape: readonly number[]): unknown[] | null {
    if (shape.length > 1 || !this.#take(bracketOpen)) return null;
    const values: unknown[] = [];
    const isText = datatype === 'BYTES';
    const isTruth = datatype === 'BOOL';
    do {
      const value = isText ? this.#text() : isTruth ? this.#truth() : this.#number();
      if (value === null || (typeof value === 'number' && !Number.isSafeInteger(value))) return null;
      values.push(value);
    } while (this.#take(comma));
    return this.#take(bracketClose) && values.length === shape[0] ? values : null;
  }

  #number(): number {
    this.#skip();
    const value = this.#numbers.read(this.#bytes, this.#at);
    if (value === value) this.#at = this.#numbers.at;
    return value;
  }

  #truth(): boolean | null {
    this.#skip();
    const word = this.#bytes[this.#at] === smallT ? 'true' : 'false';
    for (let i = 0; i < word.length; i++) if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) return null;
    this.#at += word.length;
    return word === 'true';
  }

  /** A text of ASCII characters without escapes. */
  #text(): string | null {
    if (!this.#take(quote)) return null;
    const bytes = this.#bytes;
    const from = this.#at;
    let to = from;
    for (let code = bytes[to]!; code !== quote; code = bytes[++to]!) {
      if (!(code >= space && code < delete_) || code === backslash) return null;
    }
    this.#at = to + 1;
    return usualWord(bytes, from, to) ?? Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
  }

  #take(code: number): boolean {
    if (!this.#sees(code)) return false;
    this.#at++;
    return true;
  }

  #sees(code: number): boolean {
    if (this.#bytes[this.#at] === code) return true;
    this.#skip();
    return this.#bytes[this.#at] === code;
  }

  #skip(): void {
    for (let code = this.#bytes[this.#at]; code === space || code === lineFeed || code === carriageReturn || code === tab;)
      code = this.#bytes[++this.#at];
  }
}

/** Words that nearly every request has: they are known by their bytes, and no text is made of them. */
const usualWords = ['data', 'name', 'FP32', 'FP64', 'shape', 'inputs', 'datatype', 'features'];
const usualByLength = Array.from({ length: 9 }, (_, length) => usualWords.filter((word) => word.length === length));

function usualWord(bytes: Uint8Array, from: number, to: number): string | undefined {
  return usualByLength[to - from]?.find((word) => {
    for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word.charCodeAt(i)) return false;
    return true;
  });
}

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const bracketOpen = 0x5b;
const backslash = 0x5c;
const bracketClose = 0x5d;
const smallT = 0x74;
const braceOpen = 0x7b;
const braceClose = 0x7d;
const delete_ = 0x7f;

const reader = new QuickReader();
