import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';

type Nothing = { nothing(): Promise<void> };
const steps = 10;
const { nothing } = proxyActivities<Nothing>({ startToCloseTimeout: '1 minute' });
const { nothing: nothingHere } = proxyLocalActivities<Nothing>({ startToCloseTimeout: '1 minute' });

/** Ten activities in a row that do nothing: what a run of ten steps costs by being durable. */
export async function emptySteps(): Promise<void> {
  for (let step = 0; step < steps; step++) await nothing();
}

/** The same as local activities. */
export async function emptyLocalSteps(): Promise<void> {
  for (let step = 0; step < steps; step++) await nothingHere();
}
