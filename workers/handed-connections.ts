import type { Worker } from 'node:cluster';

/** What node:cluster sends a process along with a connection, and the number under which it waits for the process's word. */
type HandOver = { readonly cmd: 'NODE_CLUSTER'; readonly act: 'newconn'; readonly seq: number };
type Handle = { close(): void };

/**
 * Sees to the connections that are on their way to a process when it dies. node:cluster hands each over and keeps it until the
 * process has said that it takes it; one that was killed never says anything, and the caller would wait without end. Here what
 * it has not taken is declined in its name: node:cluster then gives it to another process. Where no other serves, it is closed.
 *
 * That is node:cluster's own protocol, which is not documented: whatever looks otherwise is left alone, and
 * `test/gateway/process-deaths.test.ts` tells whether this Node still speaks it.
 */
export function saveHandedConnections(worker: Worker, othersServe: () => boolean): void {
  const handed = new Map<number, Handle>();
  const child = worker.process;
  const send = child.send.bind(child) as (...args: unknown[]) => boolean;
  child.send = (...args: unknown[]): boolean => {
    const [message, handle] = args;
    if (isHandOver(message) && handle !== undefined) handed.set(message.seq, handle as Handle);
    return send(...args);
  };
  child.on('internalMessage', (message: { cmd?: unknown; ack?: unknown }) => {
    if (message.cmd === 'NODE_CLUSTER' && typeof message.ack === 'number') handed.delete(message.ack);
  });
  let isDisconnected = false;
  child.once('disconnect', () => (isDisconnected = true));
  // It has ended, and what it had said before is read.
  child.once('close', () => {
    // Node puts this off until the connection is taken, and node:cluster would go on giving some to the dead.
    if (!isDisconnected) child.emit('disconnect');
    for (const [ack, handle] of handed) {
      if (othersServe()) child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: false });
      else handle.close();
    }
    handed.clear();
  });
}

function isHandOver(message: unknown): message is HandOver {
  const { cmd, act, seq } = (message ?? {}) as Partial<HandOver>;
  return cmd === 'NODE_CLUSTER' && act === 'newconn' && typeof seq === 'number';
}
