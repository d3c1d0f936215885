import type { StepProgress } from '../../../contracts/steps.js';
import { formatDuration, formatPercent } from '../../../domain/format.js';
import type { RunWatch } from '../../client/wait-for-run.js';
import { type LiveLines, spinner } from './live-lines.js';
import type { Output } from './output.js';
import { endedStepLine, standstillText, stepNameWidth, workText } from './step-lines.js';
import type { Style } from './style.js';

const redrawEveryMs = 100;
/** Nobody shall wonder for longer whether it still lives. */
const silentAtMostMs = 1_500;
const decidedAtOnceMs = 2_000;

export type RunScreen = { seen(watch: RunWatch): void; end(): void };

/**
 * The steps of a run as they happen: a line stays for each that ended; what goes on now is drawn in place with a spinner
 * on a terminal, and said again every second and a half elsewhere.
 */
export function runScreen(out: Output, hints: { awaitingApproval(version: string): readonly string[] }): RunScreen {
  const live: LiveLines | null = out.live ? out.liveLines() : null;
  const told = new Map<string, string>();
  let now: (elapsedMs: number) => string[] = () => ['starting'];
  let sinceMs = Date.now();
  let saidMs = Date.now();

  const keep = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    if (live === null) out.lines(lines);
    else live.above(lines);
    saidMs = Date.now();
  };
  const tick = setInterval(() => {
    const lines = now(Date.now() - sinceMs);
    if (live !== null) live.draw(lines.map((line, index) => `${index === 0 ? spinner(Date.now()) : ' '} ${line}`));
    else if (Date.now() - saidMs >= silentAtMostMs) keep([`  … ${lines.join('; ')}`]);
  }, redrawEveryMs);

  return {
    seen(watch) {
      if (watch.kind !== 'progress') {
        const text = watch.kind === 'queued' ? standstillText(watch) : out.style.warn(standstillText(watch));
        now = (elapsedMs) => [`${text} (${formatDuration(elapsedMs)})`];
        return;
      }
      const { progress, work, rollout } = watch;
      keep(
        progress.steps.flatMap((step, index) => newLines({ step, index, told }, { version: progress.version, style: out.style, hints })),
      );
      const running = progress.steps.findLast((step) => step.status === 'running' || step.status === 'waiting');
      if (running === undefined) return;
      sinceMs = running.startedAtMs;
      const detail = [
        ...(running.detail === undefined ? [] : [running.detail]),
        ...[workText(work)].filter((text) => text !== ''),
        ...(rollout === null || running.step !== 'rollout' ? [] : [rolloutText(rollout)]),
      ];
      now = (elapsedMs) => [
        `${running.step.padEnd(stepNameWidth)} ${formatDuration(Math.max(0, elapsedMs))}`,
        ...(detail.length === 0 ? [] : [`            ${detail.join('; ')}`]),
      ];
    },
    end() {
      clearInterval(tick);
      live?.clear();
    },
  };
}

type Seen = { readonly step: StepProgress; readonly index: number; readonly told: Map<string, string> };
type Telling = {
  readonly version: string | null;
  readonly style: Style;
  readonly hints: { awaitingApproval(version: string): readonly string[] };
};

/** Lines for what is new about a step: that it waits for people, and that it ended. */
function newLines({ step, index, told }: Seen, { version, style, hints }: Telling): string[] {
  const key = `${index}:${step.step}`;
  if (told.get(key) === step.status) return [];
  // The policy may decide by itself, at once.
  if (step.step === 'approval' && step.status === 'running' && Date.now() - step.startedAtMs < decidedAtOnceMs) return [];
  const before = told.get(key);
  told.set(key, step.status);
  if (step.status === 'running' || step.status === 'waiting') {
    return step.step === 'approval' && before === undefined && version !== null ? [...hints.awaitingApproval(version)] : [];
  }
  return [endedStepLine(step, style)];
}

function rolloutText({
  stepName,
  share,
  evidence,
}: {
  stepName: string;
  share: number;
  evidence: readonly { verdict: { reason: string } }[];
}): string {
  const last = evidence.at(-1)?.verdict.reason;
  return `${stepName} at ${formatPercent(share)}${last === undefined ? '' : `, before: ${last}`}`;
}
