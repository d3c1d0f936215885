import { formatDuration, formatLatency, formatNumber, formatPercent, formatTime } from '../../../domain/format.js';
import type { RolloutStep } from '../../../domain/rollout-plan.js';
import type { StepEvidence, VariantMeasurement } from '../../../domain/rollout-verdict.js';
import type { RolloutAnswer, RolloutView } from '../../api/answers.js';
import { verdictText } from './figures.js';
import type { Style } from './style.js';
import { tableLines } from './table.js';

type Canvas = { readonly style: Style; readonly width: number };

/** A rollout as lines: where it stands, both variants over the same time, the verdict of each check, the plan. */
export function rolloutLines({ rollout, live }: RolloutAnswer & { rollout: RolloutView }, canvas: Canvas): string[] {
  const { style } = canvas;
  const current = live?.stepIndex ?? rollout.steps.at(-1)?.stepIndex ?? 0;
  const newest = rollout.steps.findLast((step) => step.stepIndex === current) ?? rollout.steps.at(-1);
  const state =
    rollout.status === 'running' ? `step ${current + 1} of ${rollout.plan.steps.length}, ${stepName(rollout, current)}` : rollout.status;
  const lines = [
    `${style.bold(`Rollout of ${rollout.model} ${rollout.version}`)} against ${rollout.champion ?? 'nothing'}, plan ${rollout.plan.name}: ${state}`,
    ...(rollout.reason === null ? [] : [`  ${rollout.reason}`]),
  ];
  if (newest !== undefined) lines.push('', ...evidenceLines(newest.evidence, canvas));
  return [...lines, '', ...planLines(rollout, current, canvas)];
}

/** Both variants side by side, then each check with its verdict and reason. */
export function evidenceLines(evidence: StepEvidence, { style, width }: Canvas): string[] {
  const { quality } = evidence.limits;
  // Where labels judge nothing there is no error to show.
  const errorOf = (error: number | null) => (quality === undefined ? {} : { error });
  const share = evidence.step.kind === 'canary' ? evidence.step.share : evidence.step.kind === 'promote' ? 1 : 0;
  const variants = [
    variantRow('champion', { share: 1 - share, measured: evidence.champion, ...errorOf(evidence.championError) }),
    variantRow('challenger', {
      share,
      measured: evidence.challenger,
      ...errorOf(evidence.challengerError),
      shadow: evidence.step.kind === 'shadow',
    }),
  ];
  const columns = [
    { title: '' },
    { title: 'version' },
    { title: 'share', right: true },
    { title: 'requests', right: true },
    { title: 'P50', right: true },
    { title: 'P95', right: true },
    { title: 'P99', right: true },
    { title: 'errors', right: true },
    ...(quality === undefined ? [] : [{ title: quality.metric === 'ape' ? 'MAPE' : 'MAE', right: true }]),
  ];
  const checks = evidence.verdict.checks.map(({ check, outcome, reason }) => [check, verdictText(outcome, style), reason]);
  return [
    style.dim(
      `${evidence.step.name}: looked at ${formatTime(evidence.fromMs)} to ${formatTime(evidence.toMs)} (model time)${quality === undefined ? '' : `, ${formatNumber(evidence.pairs)} labelled pairs`}`,
    ),
    ...(evidence.champion === null && evidence.challenger === null ? [] : [...tableLines(columns, variants, { style, width }), '']),
    ...(checks.length === 0 ? [] : tableLines([{ title: 'check' }, { title: 'verdict' }, { title: 'why' }], checks, { style, width })),
    `${style.bold('verdict')}: ${verdictText(evidence.verdict.outcome, style)}${checks.length === 0 ? `, ${evidence.verdict.reason}` : ''}`,
  ];
}

function variantRow(
  role: string,
  { share, measured, error, shadow }: { share: number; measured: VariantMeasurement | null; error?: number | null; shadow?: boolean },
): string[] {
  const shown = shadow === true ? 'shadow' : formatPercent(share);
  const errors = error === undefined ? [] : [figure(error)];
  if (measured === null) return [role, '-', shown, '-', '-', '-', '-', '-', ...errors];
  return [
    role,
    measured.version,
    shown,
    formatNumber(measured.requests),
    latency(measured.p50Ms),
    latency(measured.p95Ms),
    latency(measured.p99Ms),
    formatNumber(measured.errors),
    ...errors,
  ];
}

/** The steps of the plan with what became of each. */
function planLines(rollout: RolloutView, current: number, { style, width }: Canvas): string[] {
  const [first] = rollout.steps;
  const byLabels = first === undefined || first.evidence.limits.quality !== undefined;
  const rows = rollout.plan.steps.map((step, index) => {
    const seen = rollout.steps.findLast((one) => one.stepIndex === index);
    const running = rollout.status === 'running' && index === current;
    const verdict =
      seen === undefined ? (running ? 'now' : '') : seen.decided ? seen.evidence.verdict.outcome : `now: ${seen.evidence.verdict.outcome}`;
    return [running ? '>' : '', step.name, describeStep(step, byLabels), verdict];
  });
  return tableLines([{ title: '' }, { title: 'step' }, { title: 'what' }, { title: 'verdict' }], rows, { style, width });
}

/** A step of a plan in words; `byLabels` is whether labels judge how much worse it may be. */
export function describeStep(step: RolloutStep, byLabels = true): string {
  const worse = byLabels && 'maxLoss' in step ? `, at most ${formatPercent(step.maxLoss)} worse` : '';
  switch (step.kind) {
    case 'smoke':
      return 'the package answers its own example on every gateway';
    case 'shadow':
      return `answers are compared, none is served; at least ${formatDuration(step.intervalMs)}, decided within ${formatDuration(step.deadlineMs)}${worse}`;
    case 'canary':
      return `${formatPercent(step.share)} of the traffic; at least ${formatDuration(step.intervalMs)}, decided within ${formatDuration(step.deadlineMs)}${worse}`;
    case 'promote':
      return 'all of the traffic';
  }
}

const stepName = (rollout: RolloutView, index: number): string => rollout.plan.steps[index]?.name ?? 'done';
const latency = (ms: number | null): string => (ms === null ? '-' : formatLatency(ms));
const figure = (value: number | null): string => (value === null ? '-' : value < 5 ? formatPercent(value) : formatNumber(value));
