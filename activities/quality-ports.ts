/** The newest known quality of a version that answers callers. */
export type QualityFigure = {
  readonly model: string;
  readonly version: string;
  /** Name of the metric: that of the definition for an evaluation; `mape` or `mae` for a rollout. */
  readonly metric: string;
  /** In the metric's own terms: of an error, less is better. */
  readonly value: number;
  /** `rollout`: on labelled live requests, by the newest look at a rollout that it took part in. `evaluation`: on held-out rows, before it went live. */
  readonly source: 'rollout' | 'evaluation';
  /** Rows or pairs that the figure is made of. */
  readonly rows: number;
  readonly measuredAtMs: number;
};

export type QualitySource = {
  /** Figures of all live versions of all models. */
  live(): Promise<QualityFigure[]>;
};
