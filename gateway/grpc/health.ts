import type { handleUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { serviceName } from './inference-service.js';
import type { ServiceSink } from './long-calls.js';

/** `grpc.health.v1.Health`: of the server (the empty name) and of the inference service. */
export type Health = {
  addTo(server: ServiceSink): void;
  /** Tells the watchers when it has changed. */
  look(): void;
};

/** Health that is what `ready` says whenever somebody asks. */
export function healthOf(ready: () => boolean): Health {
  const implementation = new HealthImplementation();
  let told: boolean | undefined;
  const look = (): void => {
    const now = ready();
    if (now === told) return;
    told = now;
    for (const name of ['', serviceName]) implementation.setStatus(name, now ? 'SERVING' : 'NOT_SERVING');
  };
  return {
    look,
    addTo(server) {
      look();
      implementation.addToServer({
        addService(service, handlers) {
          const check = handlers['check'] as unknown as handleUnaryCall<object, object>;
          const looking: handleUnaryCall<object, object> = (call, respond) => {
            look();
            check(call, respond);
          };
          server.addService(service, { ...handlers, check: looking } as UntypedServiceImplementation);
        },
      });
    },
  };
}
