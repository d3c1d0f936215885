import { randomBytes } from 'node:crypto';
import { invalid } from '../http/request-error.js';

/** What a call says of its session, and what the answer must tell of it. */
export type SessionUse =
  | { readonly kind: 'none' }
  | { readonly kind: 'existing'; readonly id: string }
  | { readonly kind: 'new'; readonly id: string; readonly expiresAtMs: number };

const ours = /^perennial-[0-9a-f]{24}-([0-9a-z]{1,9})$/;
const maxClosed = 10_000;

/**
 * Stateful sessions of SageMaker's runtime. A session keeps its caller with one variant: its id is the sticky key. The id
 * itself says when it expires, so every gateway behind one address knows every session; which ones were closed, only
 * the gateway that closed them knows. Ids that callers made themselves are taken too, and never expire.
 */
export class Sessions {
  readonly #ttlMs: number;
  readonly #closed = new Set<string>();

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** Reads the header's value: `NEW_SESSION` opens one. Throws a `RequestError` for one that has expired or was closed. */
  use(sessionId: string | null, nowMs: number): SessionUse {
    if (sessionId === null) return { kind: 'none' };
    if (sessionId === 'NEW_SESSION') {
      const expiresAtS = Math.floor((nowMs + this.#ttlMs) / 1000);
      return { kind: 'new', id: `perennial-${randomBytes(12).toString('hex')}-${expiresAtS.toString(36)}`, expiresAtMs: expiresAtS * 1000 };
    }
    const expires = ours.exec(sessionId)?.[1];
    if (expires !== undefined && Number.parseInt(expires, 36) * 1000 <= nowMs)
      throw invalid(`session ${sessionId} has expired: ask for NEW_SESSION`);
    if (this.#closed.has(sessionId)) throw invalid(`session ${sessionId} is closed: ask for NEW_SESSION`);
    return { kind: 'existing', id: sessionId };
  }

  /** Ends a session; calls with its id are refused from now on. */
  close(id: string): void {
    this.#closed.add(id);
    // The oldest go first; what is forgotten still expires by its own id.
    if (this.#closed.size > maxClosed) this.#closed.delete(this.#closed.values().next().value!);
  }
}

/** The value of the header `New-Session-Id`. */
export function newSessionHeader(session: { readonly id: string; readonly expiresAtMs: number }): string {
  return `${session.id}; Expires=${new Date(session.expiresAtMs).toISOString().slice(0, 19)}Z`;
}
