/** The steps of a run, in order; the `Stage` search attribute of `retrain` holds the current one. */
export const retrainSteps = [
  'begin',
  'extract',
  'check',
  'features',
  'split',
  'tune',
  'train',
  'evaluate',
  'gates',
  'refit',
  'package',
  'sign',
  'register',
  'approval',
  'rollout',
] as const;
export type RetrainStep = (typeof retrainSteps)[number];

/** Progress of one step, as the `progress` query and the terminal show it. Times are wall time. */
export type StepProgress = {
  readonly step: RetrainStep;
  readonly status: 'running' | 'done' | 'reused' | 'waiting' | 'refused' | 'failed' | 'skipped';
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  /** One line for a person: counts and figures. */
  readonly detail?: string;
};

/** An activity's answer that may come from the step cache: `reusedFrom` names the run that made it. */
export type Reusable<T> = T & { readonly reusedFrom?: string };
