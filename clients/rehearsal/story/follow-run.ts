import type { RunResult } from '../../../contracts/retrain.js';
import { workflowIds } from '../../../contracts/ids.js';
import { formatDuration } from '../../../domain/format.js';
import { outcomeText } from '../../cli/output/figures.js';
import type { RunWatch } from '../../client/wait-for-run.js';
import { RunView } from '../../cli/output/run-view.js';
import type { LiveBlock } from '../../cli/output/screen.js';
import { type Teller, unlessInterrupted } from './teller.js';

/** Shows a part of the run in another way while it says so: an approval, a rollout. */
export type RunGuest = (seen: RunWatch) => ((mark: string) => LiveBlock) | null;

/** Follows a run to its end: a line for each step that is over, the one at work below. */
export async function followRun(teller: Teller, run: string, guest: RunGuest = () => null): Promise<RunResult> {
  const { screen, style, client, definition, context, signal } = teller;
  const workflowId = workflowIds.retrain(definition.name, run);
  const view = new RunView({ style, trials: definition.tuning?.trials ?? 0 });
  const link = context.workflowLink(workflowId);
  screen.say(`run ${style.bold(run)}${link === null ? '' : `  ${style.dim(link)}`}`);
  let shown: ((mark: string) => LiveBlock) | null = null;
  screen.show(() => (shown ?? ((mark) => view.block(mark)))(screen.turning));
  try {
    const result = await unlessInterrupted(
      signal,
      client.waitForRun(workflowId, (seen) => {
        if (signal.aborted) return;
        for (const line of view.hear(seen)) screen.say(line);
        shown = guest(seen);
      }),
    );
    screen.show(null);
    for (const line of view.over(result.steps)) screen.say(line);
    const took = formatDuration(result.seconds * 1000);
    screen.say(`${style.bold(result.version ?? run)}: ${outcomeText(result.outcome, style)} after ${took}: ${result.reason}`);
    if (link !== null) screen.say(style.dim(link));
    return result;
  } finally {
    screen.show(null);
  }
}
