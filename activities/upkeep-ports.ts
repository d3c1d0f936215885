/** What keeps the latency sketches small. Each call is one short transaction, so that a caller hears back in between. */
export type LatencyUpkeep = {
  /**
   * Merges sketches of the next shorter span that were begun before `openedBeforeMs` (wall time) into one for each version and
   * `into` of event time. Those of a model that rolls out stay as they are until the rollout is over. Answers how many it
   * merged, and into how many; nothing is left when it merged none.
   */
  rollUp(input: { into: 'hour' | 'day'; openedBeforeMs: number }): Promise<{ merged: number; made: number }>;
  /** Forgets some of the sketches that hold nothing begun after this wall time; answers how many, 0 when none is left. */
  forgetBefore(openedMs: number): Promise<number>;
};

/** What keeps captures and labels from growing without end. */
export type CaptureUpkeep = {
  /** Names of the models that have captures or labels. */
  models(): Promise<string[]>;
  /** From when on the evidence of a rollout that runs is needed: when it was begun, wall time; null when none runs. */
  neededFromMs(model: string): Promise<number | null>;
  /** Forgets some of the captures that were made before this wall time; answers how many, 0 when none is left. */
  forgetCaptures(model: string, beforeMs: number): Promise<number>;
  /** The same for labels that were posted before it and whose subject has no capture any more. */
  forgetLabels(model: string, beforeMs: number): Promise<number>;
};

/** The place of captured requests, for whoever tidies it up. */
export type CaptureFileUpkeep = {
  /**
   * Removes some of the files of a model that were begun before this wall time; answers how many, 0 when none is left.
   * `Unavailable` when the place refuses.
   */
  removeBefore(model: string, beforeMs: number): Promise<number>;
};
