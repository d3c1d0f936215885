import type { RouteSource } from '../../activities/ports.js';
import type { GatewayConfig } from '../gateway-config.js';
import type { Log } from '../log.js';
import { reasonOf } from '../log.js';
import type { RouteFollower } from './route-follower.js';

export type LinkDeps = {
  readonly routes: RouteSource;
  readonly follower: RouteFollower;
  readonly config: GatewayConfig;
  readonly log: Log;
};

/** Keeps this gateway known to the registry: the lease, the subscription to changes, and a look each second. */
export class RegistryLink {
  readonly #deps: LinkDeps;
  #timers: NodeJS.Timeout[] = [];
  #subscription: { close(): Promise<void> } | undefined;
  #subscribing: Promise<void> | undefined;
  #renewing: Promise<void> | undefined;
  #leaseLost = false;
  #open = false;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  /** Loads what there is to serve and begins to follow. Never rejects: what is away now is tried again each second. */
  async open(url: string): Promise<void> {
    const { config, follower } = this.#deps;
    this.#open = true;
    await this.#subscribe();
    await follower.start();
    // Only a gateway that has loaded its models is one that a rollout waits for.
    await this.#renew(url);
    this.#timers = [
      setInterval(() => void this.#renew(url), config.leaseEveryMs),
      setInterval(() => {
        // The subscription looks each second by itself; without one, this does.
        if (this.#subscription !== undefined) return;
        void this.#subscribe();
        void follower.sync();
      }, config.followEveryMs),
    ];
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#subscribing;
    await this.#subscription?.close().catch(() => undefined);
    await this.#renewing;
    await this.#deps.follower.close();
    await this.#deps.routes
      .dropLease(this.#deps.config.id)
      .catch((error: unknown) => this.#deps.log({ level: 'warn', event: 'leaseNotDropped', reason: reasonOf(error) }));
  }

  #subscribe(): Promise<void> {
    if (this.#subscription !== undefined || !this.#open) return Promise.resolve();
    this.#subscribing ??= this.#deps.routes
      .follow(() => this.#open && void this.#deps.follower.sync())
      .then(
        (subscription) => void (this.#subscription = subscription),
        (error: unknown) => this.#deps.log({ level: 'warn', event: 'notSubscribed', reason: reasonOf(error) }),
      )
      .finally(() => (this.#subscribing = undefined));
    return this.#subscribing;
  }

  #renew(url: string): Promise<void> {
    const { routes, config, log } = this.#deps;
    this.#renewing ??= routes
      .renewLease({ id: config.id, url, ttlMs: config.leaseTtlMs })
      .then(
        () => void (this.#leaseLost = false),
        (error: unknown) => {
          if (!this.#leaseLost) log({ level: 'warn', event: 'leaseNotRenewed', reason: reasonOf(error) });
          this.#leaseLost = true;
        },
      )
      .finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }
}
