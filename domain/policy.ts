/**
 * The governance policy: one versioned object for an environment, edited by command with audit.
 * Percentages are fractions; "relative" and "absolute" are in the names.
 */
export type Policy = {
  readonly version: number;
  readonly minAccuracy: number;
  readonly maxLatencyMs: number;
  /** When set, a candidate must beat the champion by this share; off by default (a retrain on stable data never passes it). */
  readonly minRelativeImprovement: number | null;
  readonly maxBias: number;
  readonly autoApproveLowRisk: boolean;
  /** People by name, as registered in `people`; for limited risk one of them decides, for high risk all must. */
  readonly approvers: readonly string[];
  /** A drop of accuracy (relative) beyond this makes a candidate high risk. */
  readonly highRiskRelativeDrop: number;
};
