// The activities by area; each area has a file. Names and shapes are wire format.
export type { StepContext } from './activity/step-context.js';
export type { FeatureSet, DataReport, DataActivities } from './activity/data.js';
export type { TrainInput, TrainedModel, TrainingActivities } from './activity/training.js';
export type { EvaluationReport, EvaluationActivities } from './activity/evaluation.js';
export type { ImportActivities, ImportReport, Parity } from './activity/imports.js';
export type { RunPlan, RegistryActivities } from './activity/registry.js';
export type { ApprovalActivities } from './activity/approval.js';
export type { RolloutActivities } from './activity/rollout.js';
export type { ClockActivities } from './activity/clock.js';
export type { LifecycleRecord, LifecycleActivities } from './activity/lifecycle.js';
export type { UpkeepActivities } from './activity/upkeep.js';
export type { TemporalActivities } from './activity/temporal.js';
