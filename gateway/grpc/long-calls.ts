import type { EventEmitter } from 'node:events';
import type { Metadata, sendUnaryData, Server, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { CallStatus } from './status.js';

/** What services are added to. */
export type ServiceSink = Pick<Server, 'addService'>;

type Call = EventEmitter & { readonly metadata: Metadata };
type Handler = (call: Call, respond: sendUnaryData<unknown>) => void;

/** The streams of a library's service, which last until somebody ends them: a watch on the health, a look at what there is. */
export class LongCalls {
  readonly #open = new Set<Call>();

  /** A sink in front of `server` that remembers the streams. `admit` resolves to the status that refuses a call, or null. */
  of(server: ServiceSink, admit?: (metadata: Metadata) => Promise<CallStatus | null>): ServiceSink {
    const followed = (handler: Handler): Handler => {
      return (call, respond) => {
        if ('write' in call) {
          this.#open.add(call);
          call.on('cancelled', () => this.#open.delete(call));
        }
        if (admit === undefined) return handler(call, respond);
        void admit(call.metadata).then((refused) => {
          if (refused === null) handler(call, respond);
          else end(call, respond, refused);
        });
      };
    };
    return {
      addService(service, handlers) {
        const wrapped = Object.entries(handlers).map(([name, handler]) => [name, followed(handler as Handler)]);
        server.addService(service, Object.fromEntries(wrapped) as UntypedServiceImplementation);
      },
    };
  }

  /** Ends them all, as unavailable. */
  end(): void {
    for (const call of this.#open) call.emit('error', { code: status.UNAVAILABLE, details: 'the gateway is stopping' });
  }
}

function end(call: Call, respond: sendUnaryData<unknown>, refused: CallStatus): void {
  if ('write' in call) call.emit('error', refused);
  else respond(refused);
}
