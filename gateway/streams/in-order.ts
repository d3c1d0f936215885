/**
 * Results of calls in the order of their starts, each as soon as it and all before it are there; at most `atOnce` are at
 * work, and no further one is begun while nobody takes results. The calls must not reject: a failure is a result too.
 */
export async function* inOrder<T>(starts: AsyncIterable<() => Promise<T>>, atOnce: number): AsyncGenerator<T, void> {
  const source = starts[Symbol.asyncIterator]();
  const atWork: Promise<T>[] = [];
  let next: Promise<IteratorResult<() => Promise<T>>> | null = null;
  let ended = false;
  try {
    for (;;) {
      if (!ended && next === null && atWork.length < atOnce) next = source.next();
      const first = atWork[0];
      if (first === undefined && next === null) return;
      // What comes first: another call to begin, or the answer that is due.
      if (next !== null && (first === undefined || (await isFirst(next, first)))) {
        const found: IteratorResult<() => Promise<T>> = await next;
        next = null;
        if (found.done === true) ended = true;
        else atWork.push(found.value());
      } else {
        yield await atWork.shift()!;
      }
    }
  } finally {
    next?.catch(() => undefined);
    // Not waited for: a source that waits for its caller's next line would only end when that comes.
    source.return?.().catch(() => undefined);
  }
}

function isFirst(one: Promise<unknown>, other: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    one.then(
      () => true,
      () => true,
    ),
    other.then(() => false),
  ]);
}
