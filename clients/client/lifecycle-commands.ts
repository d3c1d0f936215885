import { randomUUID } from 'node:crypto';
import {
  type Client,
  ServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { workflowIds } from '../../contracts/ids.js';
import {
  type DecideAnswer,
  decideUpdate,
  lifecycleStatusQuery,
  type LifecycleStatus,
  type PauseRequest,
  pauseUpdate,
  type PromoteRequest,
  promoteVersionUpdate,
  type RetrainAnswer,
  type RetrainRequest,
  resumeUpdate,
  retrainUpdate,
  type RollbackRequest,
  rollbackUpdate,
} from '../../contracts/lifecycle.js';
import { lifecycleStart } from '../../contracts/lifecycle-start.js';
import {
  abortUpdate,
  type CommandAnswer,
  promoteUpdate,
  type RolloutCommand,
  type RolloutStatus,
  resumeStepUpdate,
  rolloutStatusQuery,
} from '../../contracts/rollout.js';
import type { Decision } from '../../domain/approval.js';
import type { ClockRef } from '../../domain/clock.js';
import { PerennialError } from '../../domain/errors.js';

/** What a lifecycle says of itself; `notStarted`: the first command starts it. */
export type LifecycleAnswer =
  { readonly kind: 'answers'; readonly status: LifecycleStatus } | { readonly kind: 'notStarted' } | { readonly kind: 'noAnswer' };

/** What a person can do to a rollout that goes on. */
export type RolloutAction = 'promote' | 'abort' | 'resumeStep';
const rolloutUpdates = { promote: promoteUpdate, abort: abortUpdate, resumeStep: resumeStepUpdate } as const;

export type LifecycleCommandsOptions = {
  readonly client: Client;
  /** The clock of a model, for a lifecycle that does not run yet; throws for a model that does not exist. */
  readonly clockOf: (model: string) => Promise<ClockRef>;
  /** How long an answer is waited for; default 20 s. */
  readonly answerWithinMs?: number;
};

/**
 * Commands to `model:<name>` and `rollout:…`, as Temporal updates: each answers at once, and a refusal is an answer with
 * its reason. A model that has no lifecycle yet gets one. `Unavailable` when no worker takes it in time, `DataInvalid`
 * for a message of the wrong shape.
 */
export class LifecycleCommands {
  readonly #options: LifecycleCommandsOptions;

  constructor(options: LifecycleCommandsOptions) {
    this.#options = options;
  }

  retrain(model: string, request: RetrainRequest): Promise<RetrainAnswer> {
    return this.#update(model, retrainUpdate, request);
  }

  decide(model: string, decision: Decision): Promise<DecideAnswer> {
    return this.#update(model, decideUpdate, decision);
  }

  rollback(model: string, request: RollbackRequest): Promise<CommandAnswer> {
    return this.#update(model, rollbackUpdate, request);
  }

  pause(model: string, request: PauseRequest): Promise<CommandAnswer> {
    return this.#update(model, pauseUpdate, request);
  }

  resume(model: string, request: PauseRequest): Promise<CommandAnswer> {
    return this.#update(model, resumeUpdate, request);
  }

  /** Starts the rollout of a version that is approved. */
  promote(model: string, request: PromoteRequest): Promise<CommandAnswer> {
    return this.#update(model, promoteVersionUpdate, request);
  }

  /** Promotes, aborts or lets go on the rollout of a version that runs now. */
  async rollout(of: { model: string; version: string }, action: RolloutAction, command: RolloutCommand): Promise<CommandAnswer> {
    const handle = this.#options.client.workflow.getHandle(workflowIds.rollout(of.model, of.version));
    try {
      return await this.#answered(of.model, () => handle.executeUpdate(rolloutUpdates[action], { args: [command] }));
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { accepted: false, reason: `no rollout of ${of.model} ${of.version} runs` };
      throw error;
    }
  }

  /** What the lifecycle says of itself, or that it was never started, or that no worker answers within `withinMs`. */
  async status(model: string, withinMs: number): Promise<LifecycleAnswer> {
    const { client } = this.#options;
    const handle = client.workflow.getHandle(workflowIds.model(model));
    try {
      const status = await client.withDeadline(Date.now() + withinMs, () => handle.query(lifecycleStatusQuery));
      return { kind: 'answers', status };
    } catch (error) {
      return { kind: error instanceof WorkflowNotFoundError ? 'notStarted' : 'noAnswer' };
    }
  }

  /** How a rollout stands; null when it does not run or no worker answers within `withinMs`. */
  async rolloutStatus({ model, version }: { model: string; version: string }, withinMs: number): Promise<RolloutStatus | null> {
    const handle = this.#options.client.workflow.getHandle(workflowIds.rollout(model, version));
    try {
      return await this.#options.client.withDeadline(Date.now() + withinMs, () => handle.query(rolloutStatusQuery));
    } catch {
      return null;
    }
  }

  async #update<Answer, Message extends { readonly by: string; readonly requestId?: string }>(
    model: string,
    update: UpdateDefinition<Answer, [Message]>,
    message: Message,
  ): Promise<Answer> {
    const { client, clockOf } = this.#options;
    const clock = await clockOf(model);
    // One id for all tries of this call: the server takes the update once.
    const updateId = randomUUID();
    return await this.#answered(model, () =>
      client.workflow.executeUpdateWithStart(update, {
        args: [message],
        updateId,
        startWorkflowOperation: lifecycleStart({ model, clock }),
      }),
    );
  }

  async #answered<T>(model: string, call: () => Promise<T>): Promise<T> {
    const withinMs = this.#options.answerWithinMs ?? 20_000;
    try {
      return await this.#options.client.withDeadline(Date.now() + withinMs, call);
    } catch (error) {
      throw commandFailure(error, model, withinMs);
    }
  }
}

function commandFailure(error: unknown, model: string, withinMs: number): unknown {
  if (error instanceof WorkflowUpdateFailedError) {
    return new PerennialError('DataInvalid', `The message to ${model} was not taken: ${error.cause?.message ?? error.message}`, {
      cause: error,
    });
  }
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(error)) {
    return new PerennialError(
      'Unavailable',
      `No worker took the command for ${model} within ${withinMs / 1000} s: the lifecycle worker is not running or too busy. Start the stack with ./perennial up, then look at ./perennial status ${model} before you repeat it.`,
      { details: { model }, cause: error },
    );
  }
  if (error instanceof ServiceError) {
    return new PerennialError('Unavailable', `Temporal did not take the command for ${model}: ${causeText(error)}. Try again.`, {
      details: { model },
      cause: error,
    });
  }
  return error;
}

const isDeadline = (error: unknown): boolean => error instanceof ServiceError && (error.cause as { code?: number } | undefined)?.code === 4;
const causeText = (error: ServiceError): string => (error.cause === undefined ? error.message : `${error.message}: ${error.cause.message}`);
