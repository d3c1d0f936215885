import type { ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { ServerInterceptingCall, status } from '@grpc/grpc-js';

type Begun = { readonly call: ServerInterceptingCallInterface; readonly sinceMs: number };

/** Calls whose request is not there yet. One that takes longer than `limitMs` is ended: it would hold its memory for nothing. */
export class SlowSenders {
  readonly #begun = new Set<Begun>();
  readonly #limitMs: number;
  #sweep: NodeJS.Timeout | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Remembers a call until its request is there. Streams of requests have no such end: they are bounded otherwise. */
  readonly interceptor: ServerInterceptor = (method, call) => {
    if (method.requestStream) return new ServerInterceptingCall(call);
    const begun: Begun = { call, sinceMs: performance.now() };
    const arrived = (): void => void this.#begun.delete(begun);
    return new ServerInterceptingCall(call, {
      start: (next) => {
        this.#begun.add(begun);
        next({
          onReceiveHalfClose: (onward) => {
            arrived();
            onward();
          },
          onCancel: arrived,
        });
      },
    });
  };

  start(): void {
    this.#sweep = setInterval(() => this.#end(performance.now() - this.#limitMs), Math.min(1_000, this.#limitMs));
  }

  stop(): void {
    clearInterval(this.#sweep);
  }

  #end(beforeMs: number): void {
    for (const begun of this.#begun) {
      // In the order they came: the first young one ends the look.
      if (begun.sinceMs > beforeMs) return;
      this.#begun.delete(begun);
      begun.call.sendStatus({ code: status.DEADLINE_EXCEEDED, details: `the request did not arrive within ${this.#limitMs} ms` });
    }
  }
}
