// The only bundle entry: names here are wire format and are never renamed.
export { modelLifecycle } from './model-lifecycle.workflow.js';
export { retrain } from './retrain.workflow.js';
export { rollout } from './rollout.workflow.js';
export { trigger } from './trigger.workflow.js';
export { tune } from './tune.workflow.js';
export { upkeep } from './upkeep.workflow.js';
