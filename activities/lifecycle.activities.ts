import type { LifecycleActivities } from '../contracts/activities.js';
import { PerennialError } from '../domain/errors.js';
import { choosePlan } from '../domain/rollout-plans.js';
import { callKey } from './call-key.js';
import type { LifecycleStore, RolloutSubject } from './registry-ports.js';

export type LifecycleDependencies = { readonly lifecycle: LifecycleStore };

/** What `modelLifecycle` needs of the registry. */
export function createLifecycleActivities({ lifecycle }: LifecycleDependencies): LifecycleActivities {
  return {
    loadLifecycle: ({ model }) => lifecycle.load(model),

    setPaused: (input) => lifecycle.setPaused(withKey(input, input.paused === null ? 'resume' : 'pause')),

    audit: (input) => lifecycle.audit(withKey(input, input.action)),

    async planRollout({ model, version }) {
      const subject = await lifecycle.rolloutSubject(model, version);
      if (subject === null)
        throw new PerennialError(
          'Conflict',
          `There is no version ${version} of ${model}; ./perennial versions ${model} lists those that exist.`,
          { details: { model, version } },
        );
      refuseUnfit(model, version, subject);
      const { definition, risk, champion, run } = subject;
      const plan = choosePlan({
        named: definition.rollout.plan,
        risk,
        endpointKind: definition.serving.endpointKind,
        hasChampion: champion !== null,
      });
      return { plan, limits: definition.rollout.limits, champion, attempt: subject.earlierRollouts + 1, run };
    },
  };
}

/** A retry of the same activity must not write its entry twice. */
function withKey<Entry extends object>(entry: Entry & { readonly key?: string }, action: string): Entry & { readonly key?: string } {
  const call = callKey();
  return entry.key !== undefined || call === null ? entry : { ...entry, key: `${action}:${call}` };
}

function refuseUnfit(model: string, version: string, subject: RolloutSubject): void {
  const details = { model, version, stage: subject.stage, approval: subject.approval ?? subject.approvalStatus };
  if (subject.approvalStatus !== 'approved')
    throw new PerennialError('NotApproved', `${model} ${version} is not approved: ${whyNot(model, version, subject)}`, { details });
  if (subject.champion === version) throw new PerennialError('Conflict', `${model} ${version} is live already.`, { details });
  if (subject.investigation !== null) {
    throw new PerennialError(
      'Conflict',
      `${model} ${version} was taken back and is under investigation (${subject.investigation}). Close the investigation with a reason first; ./perennial show ${model} ${version} names it.`,
      { details },
    );
  }
  if (subject.runningRollout !== null)
    throw new PerennialError('Conflict', `${model} ${version} is being rolled out already (${subject.runningRollout}).`, { details });
}

function whyNot(model: string, version: string, { refused, approval }: RolloutSubject): string {
  if (refused !== null) return `its gates refused it (${refused}). Train another version: ./perennial train ${model}`;
  switch (approval) {
    case null:
      return 'nobody was asked yet; its run is still going on.';
    case 'pending':
      return `it waits for a decision: ./perennial approve ${model} ${version}`;
    case 'approved':
      return 'its approval was withdrawn.';
    case 'rejected':
      return `it was rejected. Train another version: ./perennial train ${model}`;
    case 'expired':
      return `nobody decided in time. Train another version: ./perennial train ${model}`;
    case 'superseded':
      return 'a newer approved version took its place.';
  }
}
