/**
 * The programs that are bundled, by the path of their source; their bundle has the same path with `.js`.
 * One that does not exist is left out with a line.
 */
export const entryPoints = Object.freeze([
  'workers/lifecycle.worker.ts',
  'workers/cpu.worker.ts',
  'workers/gpu.worker.ts',
  'workers/gateway.ts',
  'workers/sagemaker-gateway.ts',
  'workers/api.ts',
  'gateway/models/inference-thread.ts',
  'gateway/oip/body-thread.ts',
  'adapters/onnx/trial-program.ts',
  'clients/cli/main.ts',
  'clients/rehearsal/driver-main.ts',
]);

/** Files that the programs read, copied to the same path among the bundles. */
export const bundledFiles = Object.freeze(['gateway/grpc/inference.proto']);

/** The only entry of the workflow bundle, and the name of its output. */
export const workflowEntry = 'workflows/index.ts';
export const workflowBundle = 'workflow-bundle.js';

/** Modules with interceptors that go into the workflow bundle; the same ones that the workers name. */
export const workflowInterceptors = Object.freeze(['@temporalio/interceptors-opentelemetry/lib/workflow-interceptors']);

/** What the bundles are made of. */
export const sourceFolders = Object.freeze([
  'models',
  'domain',
  'contracts',
  'workflows',
  'activities',
  'adapters',
  'gateway',
  'workers',
  'clients',
  'schedules',
  'console',
]);
