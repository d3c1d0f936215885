import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { LifecycleCommands } from '../../clients/client/lifecycle-commands.js';
import type { RunResult } from '../../contracts/retrain.js';
import type { ModelDefinition } from '../../domain/model-definition.js';
import type { BenchStack } from './stack.js';

/** Every command may wait this long: a hundred come at once. */
const answerWithinMs = 180_000;

/** Publishes definitions as `perennial apply` does. */
export async function publish(stack: BenchStack, definitions: readonly ModelDefinition[]): Promise<void> {
  await publishDefinitions(stack.database.db, { definitions, by: 'bench', reason: 'the benchmark' });
}

export type TimedRun = { readonly result: RunResult; readonly seconds: number };

/**
 * Asks a model's lifecycle (which starts with it) for a run as a service would, and waits for its end. Nothing is reused
 * from earlier runs. Seconds count from the request to the result.
 */
export async function runModel(stack: BenchStack, model: string, asOf: number): Promise<TimedRun> {
  const commands = new LifecycleCommands({ client: stack.client, clockOf: async () => ({ kind: 'live' }), answerWithinMs });
  const began = performance.now();
  const answer = await commands.retrain(model, { reason: 'the benchmark', by: 'bench', asOf, useCache: false });
  if (answer.kind !== 'started') throw new Error(`${model}: expected the run to start, found ${JSON.stringify(answer)}`);
  const result = (await stack.client.workflow.getHandle(answer.workflowId).result()) as RunResult;
  return { result, seconds: (performance.now() - began) / 1_000 };
}
