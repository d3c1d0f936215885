import type { RunResult } from '../../../contracts/retrain.js';
import type { RunWatch } from '../../client/wait-for-run.js';
import type { LiveBlock } from '../../cli/output/screen.js';
import { Approval } from './approval.js';
import { followRun } from './follow-run.js';
import { RolloutScene } from './rollout.js';
import { chapter, type Teller } from './teller.js';

/** Follows the second run: while it waits for approval the person is asked, while it rolls out the replay goes on. */
export async function nextVersion(teller: Teller, run: string): Promise<RunResult> {
  const scenes = new Scenes(teller, run);
  try {
    return await followRun(teller, run, (seen) => scenes.guest(seen));
  } finally {
    await scenes.end();
  }
}

class Scenes {
  readonly #teller: Teller;
  readonly #run: string;
  #approval: Approval | null = null;
  #rollout: RolloutScene | null = null;

  constructor(teller: Teller, run: string) {
    this.#teller = teller;
    this.#run = run;
  }

  guest(seen: RunWatch): ((mark: string) => LiveBlock) | null {
    // While no worker answers the rollout goes on as it was.
    if (seen.kind !== 'progress') return this.#rolloutBlock();
    const step = seen.progress.steps.at(-1);
    const { version } = seen.progress;
    if (step?.step === 'approval' && step.status === 'waiting' && version !== null) return this.#ask(version);
    this.#approval?.gone();
    if (step?.step !== 'rollout' || step.status !== 'running') return null;
    if (this.#rollout === null) {
      chapter(this.#teller, `4  Shadow and canary of ${version ?? this.#run} on replayed traffic`);
      this.#rollout = new RolloutScene(this.#teller, version);
      this.#rollout.begin();
    }
    return this.#rolloutBlock();
  }

  async end(): Promise<void> {
    this.#approval?.gone();
    await this.#rollout?.end();
  }

  #ask(version: string): (mark: string) => LiveBlock {
    const { screen, style } = this.#teller;
    if (this.#approval === null) {
      this.#approval = new Approval(this.#teller, version);
      this.#approval.ask().catch((error: unknown) => {
        screen.say(`${style.bad('✗')} ${error instanceof Error ? error.message : String(error)}`);
      });
    }
    const approval = this.#approval;
    return (mark) => approval.block(mark);
  }

  #rolloutBlock(): ((mark: string) => LiveBlock) | null {
    const rollout = this.#rollout;
    return rollout === null ? null : (mark) => rollout.block(mark);
  }
}
