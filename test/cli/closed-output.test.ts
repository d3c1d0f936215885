import { Writable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { endWithReader, outliveReader } from '../../clients/cli/closed-output.js';
import { Screen } from '../../clients/cli/output/screen.js';

/** A pipe whose reader has gone. */
const unread = () =>
  Object.assign(
    new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    }),
    { isTTY: false },
  );
const failed = (stream: Writable) => new Promise((resolve) => stream.once('close', resolve));

test('a list ends when its reader has seen enough', async () => {
  const stream = unread();
  const end = vi.fn<() => void>();
  endWithReader(stream, end);
  stream.write('one\n');
  await failed(stream);
  expect(end).toHaveBeenCalledOnce();
});

test('a stack outlives the reader of its screen, so that it can end in order', async () => {
  const stream = unread();
  const end = vi.fn<() => void>();
  endWithReader(stream, end);
  const screen = new Screen({ stream });
  screen.say('up');
  await failed(stream);
  screen.end();
  expect(end).not.toHaveBeenCalled();
});

test('words to a person who has gone are lost, and nothing else', async () => {
  const stream = unread();
  outliveReader(stream);
  stream.write('one\n');
  await failed(stream);
  expect(stream.listenerCount('error')).toBe(1);
});
