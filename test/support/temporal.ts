import { randomBytes } from 'node:crypto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { connectTemporal } from '../../tools/servers/temporal.mjs';
import { prepareNamespace, searchAttributes } from '../../tools/servers/temporal-namespace.mjs';
import { testPlaces, testTemporal } from './servers.js';

const KEYWORD = 2; // temporal.api.enums.v1.IndexedValueType

/** Where a test finds Temporal: `temporal --address <address> --namespace <namespace>`. */
export interface TestNamespace {
  readonly address: string;
  readonly namespace: string;
  /** Path of the `temporal` program. */
  readonly executable: string;
}

/** A new namespace on the dev server of this test run, with our search attributes registered. */
export async function freshNamespace(): Promise<TestNamespace> {
  const { address } = await testTemporal();
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const connection = await connectTemporal(address);
  try {
    await prepareNamespace({ connection, namespace, days: 1 });
  } finally {
    await connection.close();
  }
  return { address, namespace, executable: testPlaces().temporal };
}

/**
 * A time-skipping server of its own with our search attributes registered. Time is global to it,
 * so its tests run one after the other; the caller ends it with `teardown()`.
 */
export async function timeSkipping(): Promise<TestWorkflowEnvironment> {
  const environment = await startTimeSkipping();
  await environment.connection.operatorService.addSearchAttributes({
    namespace: environment.namespace ?? 'default',
    searchAttributes: Object.fromEntries(searchAttributes.map((name) => [name, KEYWORD])),
  });
  return environment;
}

async function startTimeSkipping(attempts = 4): Promise<TestWorkflowEnvironment> {
  try {
    return await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path: testPlaces().testServer } },
    });
  } catch (error) {
    // The SDK gives the server five seconds, which a JVM on a busy machine may miss.
    if (attempts <= 1) throw error;
    return startTimeSkipping(attempts - 1);
  }
}
