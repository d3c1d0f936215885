import { type Client, WorkflowFailedError } from '@temporalio/client';

/**
 * The SDK leaves a listener at the signal with every long poll (20 s each), and a run waits for days for its approval: so it is
 * given a signal of its own for this long, and then another.
 */
const signalForMs = 120_000;

/**
 * The result of a workflow, whenever it ends. `signal` ends the waiting, with the SDK's own failure; so does a workflow that
 * failed (`WorkflowFailedError`) or that is not there.
 */
export async function awaitResult(
  client: Pick<Client, 'workflow' | 'withAbortSignal'>,
  { workflowId, signal, newSignalAfterMs = signalForMs }: { workflowId: string; signal: AbortSignal; newSignalAfterMs?: number },
): Promise<unknown> {
  const handle = client.workflow.getHandle(workflowId);
  for (;;) {
    const polls = new AbortController();
    const end = () => polls.abort();
    signal.addEventListener('abort', end, { once: true });
    const timer = setTimeout(end, newSignalAfterMs);
    try {
      return await client.withAbortSignal(polls.signal, () => handle.result());
    } catch (error) {
      if (signal.aborted || !polls.signal.aborted || error instanceof WorkflowFailedError) throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }
}
