import { scrypt, timingSafeEqual } from 'node:crypto';
import { RequestError } from '../http/request-error.js';

/** Checks at once: each takes a thread of the pool for some 50 ms. */
const atOnce = 2;
const mostWaiting = 32;

/** Compares passwords with scrypt digests, a few at a time, so that a flood of guesses takes no more than that. */
export class PasswordCheck {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Rejects with a `RequestError` `overloaded` when too many are being checked. */
  async matches(password: string, digest: string): Promise<boolean> {
    if (this.#running >= atOnce) {
      if (this.#waiting.length >= mostWaiting)
        throw new RequestError('overloaded', 'too many passwords are being checked: try again later, or use a key');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await compare(password, digest);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

function compare(password: string, digest: string): Promise<boolean> {
  const [, N = '', r = '', p = '', salt = '', hash = ''] = digest.split(':');
  const right = Buffer.from(hash, 'base64url');
  const cost = { N: Number(N), r: Number(r), p: Number(p), maxmem: 256 * Number(N) * Number(r) };
  return new Promise((resolve, reject) => {
    scrypt(password, Buffer.from(salt, 'base64url'), right.length, cost, (error, made) =>
      error === null ? resolve(timingSafeEqual(made, right)) : reject(error),
    );
  });
}
