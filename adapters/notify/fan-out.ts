import type { Notifier } from '../../activities/ports.js';

/**
 * One notifier that sends to several. All are tried; when one fails the whole fails and is tried again, so those that
 * took the message see it twice: at least once, told apart by its key.
 */
export function createFanOut(notifiers: readonly Notifier[]): Notifier {
  return {
    name: notifiers.map((notifier) => notifier.name).join('+') || 'nobody',
    async send(notice) {
      const sent = await Promise.allSettled(notifiers.map((notifier) => notifier.send(notice)));
      const failed = sent.find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
  };
}
