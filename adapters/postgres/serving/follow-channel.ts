import pg from 'pg';

type Following = { readonly url: string; readonly channel: string; readonly pollMs: number; readonly onChange: () => void };

/**
 * Calls `onChange` on every notification of a channel, and each `pollMs` whatever happens: a notification is lost while
 * the connection is, and a connection can be dead for minutes without saying so. The connection is an own one, since
 * LISTEN belongs to a session; when it breaks it is opened again. `onChange` must not throw.
 */
export async function followChannel({ url, channel, pollMs, onChange }: Following): Promise<{ close(): Promise<void> }> {
  let closed = false;
  let client: pg.Client | undefined;
  let connecting: Promise<void> | undefined;

  const connect = async () => {
    const candidate = new pg.Client({
      connectionString: url,
      application_name: `perennial-listen-${channel}`,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    const lose = () => {
      if (client === candidate) client = undefined;
      candidate.end().catch(() => undefined);
    };
    candidate.on('error', lose);
    candidate.on('end', lose);
    candidate.on('notification', onChange);
    try {
      await candidate.connect();
      await candidate.query(`listen "${channel}"`);
      client = candidate;
      // What changed before LISTEN took hold was not notified.
      onChange();
    } catch {
      // The poll goes on without it, and tries again at its next turn.
      lose();
    }
  };
  const ensureConnected = () => {
    if (closed || client !== undefined || connecting !== undefined) return;
    connecting = connect().finally(() => {
      connecting = undefined;
    });
  };

  ensureConnected();
  await connecting;
  const timer = setInterval(() => {
    ensureConnected();
    onChange();
  }, pollMs);
  return {
    async close() {
      closed = true;
      clearInterval(timer);
      await connecting;
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}
