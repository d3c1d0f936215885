import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutAnswer } from '../../api/answers.js';
import { formatPercent } from '../../../domain/format.js';
import { rolloutLines } from '../../cli/output/rollout-lines.js';
import type { LiveBlock } from '../../cli/output/screen.js';
import { endOfReplay, type Replay, startReplay } from './replay.js';
import type { Teller } from './teller.js';

const lookEveryMs = 500;

/** The rollout on replayed traffic: the driver runs while it does, and the table of both variants is looked at anew. */
export class RolloutScene {
  readonly #teller: Teller;
  #replay: Replay | null = null;
  #seen: RolloutAnswer = { rollout: null, live: null };
  readonly #version: string | null;
  readonly #told = new Set<number>();
  #over = false;
  #watching: Promise<void> | null = null;

  /** @param version whose rollout it is */
  constructor(teller: Teller, version: string | null) {
    this.#teller = teller;
    this.#version = version;
  }

  /** Begins at the first call. */
  begin(): void {
    if (this.#watching !== null) return;
    this.#replay = startReplay(this.#teller, null);
    this.#watching = this.#watch();
  }

  /** Ends the replay after the hour at hand. */
  async end(): Promise<void> {
    this.#over = true;
    const { driver } = this.#replay ?? {};
    driver?.stop();
    await this.#watching;
    if (this.#replay !== null) await endOfReplay(this.#teller, this.#replay).catch(() => undefined);
  }

  block(mark: string): LiveBlock {
    const replay = this.#replay?.line.block(mark, false);
    const { rollout } = this.#seen;
    const table = rollout === null ? [] : rolloutLines({ ...this.#seen, rollout }, this.#canvas());
    return {
      // The table is longer than a small terminal; what is cut off is its end.
      lines: [...(replay?.lines ?? []), '', ...table],
      plain: `${replay?.plain ?? mark}${rollout === null ? '' : `  ${this.#short()}`}`,
    };
  }

  async #watch(): Promise<void> {
    while (!this.#over) {
      await this.#look();
      await delay(lookEveryMs);
    }
    await this.#look();
  }

  async #look(): Promise<void> {
    const { client, definition } = this.#teller;
    const query = this.#version === null ? {} : { version: this.#version };
    this.#seen = await client.api.rollout(definition.name, query).catch(() => this.#seen);
    this.#tellDecided();
  }

  /** A step that was decided stays as a line, with the verdict that decided it. */
  #tellDecided(): void {
    const { screen, style } = this.#teller;
    for (const { stepIndex, evidence, decided } of this.#seen.rollout?.steps ?? []) {
      if (!decided || this.#told.has(stepIndex)) continue;
      this.#told.add(stepIndex);
      const { outcome, reason } = evidence.verdict;
      const sign = outcome === 'pass' ? style.good('✓') : outcome === 'fail' ? style.bad('✗') : style.warn('!');
      const hours = Math.round((evidence.toMs - evidence.fromMs) / 3_600_000);
      screen.say(`${sign} ${evidence.step.name}: ${outcome} after ${hours} h and ${evidence.pairs} labelled pairs; ${reason}`);
    }
  }

  /** The table in a few words, where nothing is drawn again. */
  #short(): string {
    const { rollout } = this.#seen;
    const evidence = rollout?.steps.at(-1)?.evidence;
    if (evidence === undefined) return 'the first look is to come';
    const { champion, challenger, verdict } = evidence;
    const variant = (role: string, measured: typeof champion, error: number | null) =>
      `${role} ${measured?.version ?? '-'}: ${measured?.requests ?? 0} requests, P95 ${measured?.p95Ms?.toFixed(1) ?? '-'} ms, ${measured?.errors ?? 0} errors, MAPE ${formatPercent(error)}`;
    return `${evidence.step.name}: ${variant('champion', champion, evidence.championError)}; ${variant('challenger', challenger, evidence.challengerError)}; ${evidence.pairs} pairs; ${verdict.outcome}`;
  }

  #canvas() {
    const { style, screen } = this.#teller;
    return { style, width: screen.live ? screen.columns : Infinity };
  }
}
