import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { UpkeepResult } from '../contracts/upkeep.js';
import { upkeepOf } from './activity-proxies.js';

/**
 * Takes away what is old: started by a schedule each hour, or by a person. A part that fails keeps none of the others from
 * being done; then the whole fails with what each said, and the next hour tries again.
 */
export async function upkeep(): Promise<UpkeepResult> {
  const failures: string[] = [];
  const part = async <T>(name: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (isCancellation(error)) throw error;
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      failures.push(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
      return null;
    }
  };
  const latencies = await part('latency sketches', () => upkeepOf.rollUpLatencies());
  const captures = await part('captures', () => upkeepOf.forgetCaptures());
  const files = await part('files of captures', () => upkeepOf.removeCaptureFiles());
  if (latencies === null || captures === null || files === null)
    throw ApplicationFailure.nonRetryable(`The upkeep is not complete. ${failures.join(' ')}`, 'Unavailable', {
      latencies,
      captures,
      files,
    });
  return { latencies, captures, files };
}
