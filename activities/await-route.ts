import { PerennialError } from '../domain/errors.js';
import type { Beating } from './heartbeating.js';
import type { RouteFollower, RouteFollowers, RolloutStore } from './rollout-ports.js';

const pollMs = 100;

type Wait = { readonly model: string; readonly generation: number; readonly waitMs: number };

/** Waits until every gateway with a fresh lease follows a generation; see `RolloutActivities.awaitRoute`. */
export async function awaitRoute(
  store: Pick<RolloutStore, 'followers'>,
  { model, generation, waitMs }: Wait,
  { beat, sleep }: Beating,
): Promise<{ gateways: number }> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    const followers = await store.followers(model);
    const behind = followers.gateways.filter((gateway) => !follows(gateway, generation));
    if (followers.gateways.length > 0 && behind.length === 0) return { gateways: followers.gateways.length };
    refuseRefused(model, generation, behind);
    refuseOvertaken(model, generation, followers);
    beat({ model, generation, gateways: followers.gateways.length, behind: behind.map(({ id }) => id) });
    if (performance.now() >= endMs) throw tooLate(model, generation, behind);
    await sleep(pollMs);
  }
}

const follows = (gateway: RouteFollower, generation: number) =>
  gateway.refused === null && gateway.generation !== null && gateway.generation >= generation;

function refuseRefused(model: string, generation: number, gateways: readonly RouteFollower[]): void {
  const refusals = gateways.filter((gateway) => gateway.refused !== null && gateway.generation === generation);
  if (refusals.length === 0) return;
  throw new PerennialError(
    'ArtifactRejected',
    `${refusals.map(({ id, refused }) => `Gateway ${id} refused generation ${generation} of ${model}: ${refused}`).join('; ')}. It keeps serving what it served before.`,
    {
      details: { model, generation, gateways: refusals.map(({ id }) => id) },
    },
  );
}

/** A route that was changed again, by a rollback for instance, is not waited for. */
function refuseOvertaken(model: string, generation: number, { newest }: RouteFollowers): void {
  if (newest > generation)
    throw new PerennialError(
      'Conflict',
      `The route of ${model} is at generation ${newest} already; generation ${generation} is not waited for any more.`,
      { details: { model, generation, newest } },
    );
}

function tooLate(model: string, generation: number, behind: readonly RouteFollower[]): PerennialError {
  if (behind.length === 0)
    return new PerennialError(
      'Unavailable',
      `No gateway has a fresh lease, so nothing can answer for ${model}. Start a gateway (./perennial up does); the call is retried.`,
    );
  const named = behind
    .map(({ id, url, generation: at }) => `${id} at ${url} (${at === null ? 'has acknowledged nothing' : `at generation ${at}`})`)
    .join(', ');
  return new PerennialError(
    'Unavailable',
    `These gateways do not follow generation ${generation} of ${model} yet: ${named}. Look at their logs; the call is retried.`,
    { details: { model, generation, behind: behind.map(({ id }) => id) } },
  );
}
