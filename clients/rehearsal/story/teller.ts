import type { Style } from '../../cli/output/style.js';
import type { CliContext } from '../../cli/context.js';
import type { Stack } from '../../cli/up/stack.js';
import type { World } from '../../cli/up/world.js';
import type { PerennialClient } from '../../client/perennial-client.js';
import type { TrainedDefinition } from '../../../domain/model-definition.js';
import type { RehearsalOptions } from '../rehearsal-plan.js';
import type { RehearsalRecord } from '../rehearsal-record.js';
import type { Screen } from '../../cli/output/screen.js';

/** What every chapter of the story works with. */
export type Teller = {
  readonly context: CliContext;
  readonly world: World;
  readonly stack: Stack;
  readonly client: PerennialClient;
  readonly definition: TrainedDefinition;
  readonly options: RehearsalOptions;
  readonly record: RehearsalRecord;
  readonly screen: Screen;
  readonly style: Style;
  /** Aborted by Ctrl-C: what goes on is left as it is, and the next start takes it up. */
  readonly signal: AbortSignal;
};

/** A person asked for the end; the story is not over, and the next start goes on with it. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted; the next start goes on where it was');
    this.name = 'Interrupted';
  }
}

/** The work's answer, or `Interrupted` at Ctrl-C. */
export async function unlessInterrupted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  if (signal.aborted) throw new Interrupted();
  let leave: () => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    leave = () => reject(new Interrupted());
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    signal.removeEventListener('abort', leave);
    work.catch(() => undefined);
  }
}

/** A chapter's title. */
export function chapter({ screen, style }: Pick<Teller, 'screen' | 'style'>, title: string): void {
  screen.say();
  screen.say(style.bold(title));
}
