import { join } from 'node:path';
import { PerennialError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { trainedHere } from '../../domain/model-definition.js';
import type { CliContext } from '../cli/context.js';
import { outcomeText } from '../cli/output/figures.js';
import type { Style } from '../cli/output/style.js';
import type { Stack } from '../cli/up/stack.js';
import type { World } from '../cli/up/world.js';
import { rehearsalPlan, type RehearsalOptions } from './rehearsal-plan.js';
import { RehearsalRecord, type RehearsalResult, type RunLine } from './rehearsal-record.js';
import { tellEnding } from './story/ending.js';
import { Interrupted, type Teller } from './story/teller.js';
import { tellStory } from './story/tell-story.js';
import type { Screen } from '../cli/output/screen.js';

export type Rehearsal = {
  readonly context: CliContext;
  readonly world: World;
  readonly stack: Stack;
  readonly options: RehearsalOptions;
  readonly screen: Screen;
  readonly style: Style;
  readonly signal: AbortSignal;
  /** Seconds of set-up, and of everything since it began. */
  readonly elapsed: () => { setupSeconds: number; seconds: number };
};

/** Tells the story of this world from where it is, or shows how it ended. */
export async function rehearse({ context, world, stack, options, screen, style, signal, elapsed }: Rehearsal): Promise<RehearsalResult> {
  const record = new RehearsalRecord(join(world.home, 'rehearsal.json'));
  const found = stack.definitions.find(({ name }) => name === rehearsalPlan.model);
  if (found === undefined) {
    throw new PerennialError(
      'Conflict',
      `The rehearsal is about ${rehearsalPlan.model}, and models/ defines no such model. Put it back, or start ./perennial up.`,
    );
  }
  const definition = trainedHere(found);
  const client = await context.client();
  const teller: Teller = { context, world, stack, client, definition, options, record, screen, style, signal };
  if (signal.aborted) throw new Interrupted();
  const kept = record.told.result;
  if (kept === null) {
    if (!record.begun) await refuseForeignWorld(teller);
    record.note({});
    const result = await tellStory(teller, elapsed);
    await tellEnding(teller);
    return result;
  }
  screen.say();
  screen.say('This world has told its story already; it is kept and served. A new one: npm start -- --fresh');
  for (const run of kept.runs) screen.say(runText(run, style));
  await tellEnding(teller);
  return kept;
}

/** A world with runs of its own is no stage: the rehearsal would take its model to 2011. */
async function refuseForeignWorld({ client, definition }: Teller): Promise<void> {
  const runs = await client.api.runs({ model: definition.name, limit: 1 });
  if (runs.length === 0) return;
  throw new PerennialError(
    'Conflict',
    `${definition.name} has runs in this world that no rehearsal made. Keep it and start ./perennial up, or begin a new world: npm start -- --fresh archives this one.`,
  );
}

function runText({ run, version, outcome, reason, seconds }: RunLine, style: Style): string {
  const shown = outcomeText(outcome as Parameters<typeof outcomeText>[0], style);
  return `  ${version ?? run}: ${shown} after ${formatDuration(seconds * 1000)}: ${reason}`;
}
