/** Workflow ids. No `/`: it breaks Temporal's HTTP API. */
export const workflowIds = {
  model: (model: string) => `model:${model}`,
  trigger: (model: string, slot: string) => `trigger:${model}:${slot}`,
  retrain: (model: string, run: string) => `retrain:${model}:${run}`,
  tune: (model: string, run: string) => `tune:${model}:${run}`,
  rollout: (model: string, version: string) => `rollout:${model}:${version}`,
  /** Of one that a person asked for; the schedule's have the slot in their ids. */
  upkeep: () => 'upkeep:by-hand',
} as const;

/** The schedule of a model: `schedule:<model>:<name>`. */
export const scheduleId = (model: string, name: string) => `schedule:${model}:${name}`;
