import { InferenceError } from './errors.js';

/** The data of each server-sent event of a body, in order. Ends when the body does. */
export async function* eventsOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string, void> {
  if (body === null) throw new InferenceError('protocol', 'the stream has no body');
  const decoder = new TextDecoder();
  let waiting = '';
  let data: string[] = [];
  for await (const piece of body) {
    const lines = (waiting + decoder.decode(piece, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    waiting = lines.pop() ?? '';
    for (const line of lines) {
      if (line !== '') {
        if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
        continue;
      }
      if (data.length > 0) yield data.join('\n');
      data = [];
    }
  }
}
