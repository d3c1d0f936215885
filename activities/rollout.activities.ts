import type { RolloutActivities } from '../contracts/activities.js';
import { awaitRoute } from './await-route.js';
import { heartbeating } from './heartbeating.js';
import type { Clock, ObjectStore } from './ports.js';
import type { RolloutMeasurement, RolloutStore } from './rollout-ports.js';
import { smokeTest } from './smoke-test.js';
import { watchStep } from './watch-step.js';

export type RolloutDependencies = {
  readonly store: RolloutStore;
  readonly measurement: RolloutMeasurement;
  readonly clock: Clock;
  readonly objects: Pick<ObjectStore, 'get'>;
  /** Token of gateways that want one: those beyond loopback. */
  readonly gatewayToken?: string | null;
  /** Reads every file against its digest and the signature against the trusted keys; throws `ArtifactRejected`. */
  readonly verifyPackage: (input: { model: string; version: string }) => Promise<unknown>;
  /** Wall time between two looks at a step; 5 s on a live clock and 250 ms on a driven one when absent. */
  readonly lookIntervalMs?: { readonly live: number; readonly driven: number };
  /** How long one attempt waits for the gateways, wall time; a minute when absent. */
  readonly routeWaitMs?: number;
};

/** What a rollout does to the world: routes, looks, promotions, and the ways back. */
export function createRolloutActivities(deps: RolloutDependencies): RolloutActivities {
  const { store, verifyPackage, lookIntervalMs = { live: 5_000, driven: 250 }, routeWaitMs: waitMs = 60_000 } = deps;
  return {
    beginRollout: (input) => store.begin(input),
    applyRoute: (input) => store.applyRoute(input),
    awaitRoute: (input) => heartbeating((beating) => awaitRoute(store, { ...input, waitMs }, beating)),
    smokeTest: (input) => heartbeating((beating) => smokeTest(deps, input, beating)),
    watchStep: (input) => heartbeating((beating) => watchStep({ ...deps, lookIntervalMs }, input, beating)),
    recordRolloutStep: (input) => store.recordStep(input),

    async promote(input) {
      // A retry after the commit must not depend on the object store.
      const earlier = await store.promoted(input.promotionId);
      if (earlier !== null) return earlier;
      await verifyPackage({ model: input.model, version: input.version });
      return await store.promote(input);
    },

    takeBack: (input) => store.takeBack(input),
    endRollout: (input) => store.end(input),
    rollback: (input) => store.rollback(input),
  };
}
