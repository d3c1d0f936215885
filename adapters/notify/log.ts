import type { Notice, Notifier } from '../../activities/ports.js';

/** Writes each message to a log, one line each by `write`; what a laptop has instead of a chat. */
export function createLogNotifier(write: (line: string) => void): Notifier {
  return {
    name: 'log',
    send(notice: Notice) {
      write(`${notice.title}\n${notice.text.replace(/^/gm, '  ')}`);
      return Promise.resolve();
    },
  };
}
