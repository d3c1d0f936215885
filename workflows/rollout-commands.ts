import { condition, setHandler } from '@temporalio/workflow';
import { abortUpdate, type CommandAnswer, promoteUpdate, resumeStepUpdate, type RolloutCommand } from '../contracts/rollout.js';
import { promptly } from './activity-proxies.js';

/** A person's hand on a running rollout: updates `promote`, `abort`, `resumeStep`. Each is audited before it acts. */
export class RolloutCommands {
  /** Set at the rollout's end: later commands are refused. */
  over = false;
  #promote: RolloutCommand | null = null;
  #abort: RolloutCommand | null = null;
  #resume = false;
  readonly #model: string;
  readonly #promotionId: string;

  constructor(input: { model: string; promotionId: string }) {
    this.#model = input.model;
    this.#promotionId = input.promotionId;
    const shape = (command: RolloutCommand) => {
      if (!command?.by || !command.reason) throw new Error('expected {"by": "<who>", "reason": "<why>"}, both not empty');
    };
    setHandler(promoteUpdate, (command) => this.#take('promote', command, () => (this.#promote = command)), { validator: shape });
    setHandler(abortUpdate, (command) => this.#take('abort', command, () => (this.#abort = command)), { validator: shape });
    setHandler(resumeStepUpdate, (command) => this.#take('resumeStep', command, () => (this.#resume = true)), { validator: shape });
  }

  /** Resolves at the next command. */
  async spoken(): Promise<void> {
    await condition(() => this.interrupts() || this.#resume);
  }

  interrupts(): boolean {
    return this.#promote !== null || this.#abort !== null;
  }

  /** What a person asked for, to be carried out between two looks. */
  taken(): { promote: RolloutCommand | null; abort: RolloutCommand | null } {
    return { promote: this.#promote, abort: this.#abort };
  }

  takeResume(): boolean {
    const asked = this.#resume;
    this.#resume = false;
    return asked;
  }

  async #take(action: string, command: RolloutCommand, act: () => void): Promise<CommandAnswer> {
    const refusal = this.over ? 'the rollout is over' : this.interrupts() ? 'another command is being carried out' : null;
    await promptly.audit({
      model: this.#model,
      action: `rollout.${action}`,
      by: command.by,
      outcome: refusal === null ? 'done' : 'refused',
      reason: refusal === null ? command.reason : `${command.reason} (refused: ${refusal})`,
      details: { promotionId: this.#promotionId },
    });
    if (refusal !== null) return { accepted: false, reason: refusal };
    if (this.over || this.interrupts()) return { accepted: false, reason: 'another command came first' };
    act();
    return { accepted: true, message: `${action} is being carried out` };
  }
}
