/** One line of the gateway's log: what happened, and its details as plain JSON. */
export type LogLine = { readonly level: 'info' | 'warn' | 'error'; readonly event: string; readonly [detail: string]: unknown };
export type Log = (line: LogLine) => void;

/** The words of an error for a log line or an acknowledgement. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
