/** A stream that nobody reads any more fails so. */
const isClosed = (error: Error): boolean => 'code' in error && error.code === 'EPIPE';

/**
 * Ends the program when nobody reads its output any more: a reader that has seen enough (`| head`) is no failure. But where
 * somebody else listens for the stream's errors, as `up` does, what runs is not ended by what is shown.
 */
export function endWithReader(stream: NodeJS.WritableStream, end: () => void): void {
  stream.on('error', (error: Error) => {
    if (!isClosed(error)) throw error;
    if (stream.listenerCount('error') === 1) end();
  });
}

/** What is told to a person who has gone is lost, and nothing else. */
export function outliveReader(stream: NodeJS.WritableStream): void {
  stream.on('error', (error: Error) => {
    if (!isClosed(error)) throw error;
  });
}
