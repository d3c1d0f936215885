import { isCancellation, log } from '@temporalio/workflow';

/**
 * Sends a signal to another workflow whose absence must not change what happened here: it may be over, or lost and not
 * yet rebuilt. Nothing is lost then; the registry has the record, and `modelLifecycle` looks again when it is rebuilt.
 */
export async function signalQuietly(send: () => Promise<void>): Promise<void> {
  try {
    await send();
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn('a signal found nobody', { reason: error instanceof Error ? error.message : String(error) });
  }
}
