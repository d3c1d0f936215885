const waiting: (() => void)[] = [];
let isDue = false;

/**
 * A turn of the event loop of one's own, for a piece of work that takes milliseconds: of all who wait for one, a single one goes
 * on in each turn, so that what is large is done piece by piece however many ask for it, and others are served in between.
 */
export function ownTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    due();
  });
}

function due(): void {
  if (isDue) return;
  isDue = true;
  setImmediate(() => {
    isDue = false;
    waiting.shift()!();
    if (waiting.length > 0) due();
  });
}
