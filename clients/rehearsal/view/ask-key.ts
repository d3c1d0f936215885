import type { Readable } from 'node:stream';

type Keyboard = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };

const ctrlC = '\u0003';

/** Waits for one of these keys, as pressed; null when `signal` ends the question. Ctrl-C stays Ctrl-C. */
export function askKey(keyboard: Keyboard, keys: readonly string[], signal: AbortSignal): Promise<string | null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve) => {
    const done = (key: string | null) => {
      keyboard.off('data', heard);
      signal.removeEventListener('abort', gone);
      keyboard.setRawMode?.(false);
      keyboard.pause();
      resolve(key);
    };
    const gone = () => done(null);
    const heard = (data: Buffer) => {
      for (const key of data.toString('utf8').toLowerCase()) {
        if (key === ctrlC) return void process.kill(process.pid, 'SIGINT');
        if (keys.includes(key)) return done(key);
      }
    };
    keyboard.setRawMode?.(true);
    keyboard.resume();
    keyboard.on('data', heard);
    signal.addEventListener('abort', gone, { once: true });
  });
}
