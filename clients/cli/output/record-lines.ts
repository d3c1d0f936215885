import { formatDuration, formatNumber, formatTime } from '../../../domain/format.js';
import type { RunDetails, VersionDetails } from '../../api/answers.js';
import { type ImportedFacts, originFacts, tensorFacts } from '../imported-facts.js';
import { gateLines, metricLines } from './evidence-lines.js';
import { outcomeText, verdictText } from './figures.js';
import { evidenceLines } from './rollout-lines.js';
import type { Style } from './style.js';
import { factLines, tableLines } from './table.js';

type Canvas = { readonly style: Style; readonly width: number };
const titles = (...names: string[]) => names.map((title) => ({ title }));
const newestAudit = 15;

/** Everything that is known of a run. */
export function runLines(run: RunDetails, link: string | null, canvas: Canvas): string[] {
  const { style } = canvas;
  const lines = [
    style.bold(`${run.model} ${run.run}`),
    ...factLines(
      [
        ['outcome', `${outcomeText(run.outcome, style)}${run.outcomeReason === null ? '' : `: ${run.outcomeReason}`}`],
        ['version', run.version ?? '-'],
        ['as of', formatTime(run.asOfMs)],
        ['asked by', `${run.requestedBy} (${run.trigger}): ${run.reason}`],
        ['started', formatTime(run.startedAtMs)],
        ['took', run.endedAtMs === null ? 'it goes on' : formatDuration(run.endedAtMs - run.startedAtMs)],
        ['definition', run.definitionDigest],
        ['data', run.dataDigest ?? '-'],
        ['code', run.codeRevision],
        ...(link === null ? [] : [['workflow', link] as const]),
      ],
      style,
    ),
    '',
  ];
  const steps = run.steps.map((step) => [
    step.step,
    step.status,
    step.endedAtMs === undefined ? '' : formatDuration(step.endedAtMs - step.startedAtMs),
    step.detail ?? '',
  ]);
  lines.push(...tableLines(titles('step', 'status', 'took', 'what'), steps, canvas));
  if (run.trials.length > 0) {
    const trials = run.trials.map((trial) => [String(trial.number), trial.state, formatNumber(trial.value), JSON.stringify(trial.params)]);
    lines.push('', ...tableLines(titles('trial', 'state', 'value', 'parameters'), trials, canvas));
  }
  if (run.result !== null && run.result.metrics.length > 0) lines.push('', ...metricLines(run.result, canvas));
  if (run.result !== null && run.result.gates.length > 0) lines.push('', ...gateLines(run.result.gates, canvas));
  return lines;
}

/** Everything that is known of a version, with its evidence. */
export function versionLines(version: VersionDetails, imported: ImportedFacts | null, canvas: Canvas): string[] {
  const { style } = canvas;
  const sections = [
    [style.bold(`${version.model} ${version.version}`), ...factLines(versionFacts(version, imported), style)],
    version.metrics.length === 0 ? [] : metricLines(version.evidence ?? version, canvas),
    version.gates.length === 0 ? [] : gateLines(version.gates, canvas),
    approvalLines(version, canvas),
    ...version.rollouts.map((rollout) => {
      const last = rollout.steps.at(-1);
      const head = `Rollout ${style.bold(rollout.promotionId)} by plan ${rollout.plan.name}: ${rollout.status}${rollout.reason === null ? '' : `, ${rollout.reason}`}`;
      return [head, ...(last === undefined ? [] : evidenceLines(last.evidence, canvas))];
    }),
    version.investigations.length === 0
      ? []
      : tableLines(
          titles('investigation', 'opened', 'why', 'closed'),
          version.investigations.map(({ id, openedAtMs, reason, closedAtMs, closingReason }) => [
            id,
            formatTime(openedAtMs),
            reason,
            closedAtMs === null
              ? style.warn(`open: ./perennial investigations close ${id} --reason "…"`)
              : `${formatTime(closedAtMs)}: ${closingReason ?? ''}`,
          ]),
          canvas,
        ),
    version.history.length === 0
      ? []
      : tableLines(
          titles('alias', 'from', 'to', 'by', 'why'),
          version.history.map(({ alias, fromMs, toMs, by, reason }) => [
            alias,
            formatTime(fromMs),
            toMs === null ? 'now' : formatTime(toMs),
            by,
            reason,
          ]),
          canvas,
        ),
    version.audit.length === 0
      ? []
      : tableLines(
          titles('audit', 'at', 'who', 'what', 'outcome', 'why'),
          version.audit
            .slice(0, newestAudit)
            .map((row) => [
              String(row.sequence),
              row.at.slice(0, 19).replace('T', ' '),
              row.by,
              row.action,
              verdictText(row.outcome, plainDone(style)),
              row.reason,
            ]),
          canvas,
        ),
  ];
  return sections.filter((section) => section.length > 0).flatMap((section, index) => (index === 0 ? section : ['', ...section]));
}

function versionFacts(version: VersionDetails, imported: ImportedFacts | null): [string, string][] {
  const signature = version.package.signature === undefined ? 'not signed' : 'signed (OpenSSF model signature)';
  return [
    ['stage', `${version.stage}, approval ${version.approval}${version.aliases.length === 0 ? '' : `, ${version.aliases.join(', ')}`}`],
    ...(version.refused === null ? [] : [['refused', version.refused] as [string, string]]),
    ['risk', `${version.risk}: ${version.riskReason}`],
    ['run', version.run],
    ['changes', version.changelog],
    ...originFacts(imported),
    ['trained on', trainedText(version)],
    ...(imported === null ? [['parameters', JSON.stringify(version.hyperparameters)] as [string, string]] : []),
    ['package', `${version.package.digest}, ${version.package.files.length} files, ${signature}`],
    ['definition', version.definitionDigest],
    ...(version.datasetDigest === null ? [] : [['data', version.datasetDigest] as [string, string]]),
    ...(version.signature.request.length === 0
      ? tensorFacts(imported)
      : [['request', version.signature.request.map(({ name, datatype }) => `${name} ${datatype}`).join(', ')] as [string, string]]),
  ];
}

/** The event times that a version was trained on, as far as they are known. */
export function trainedText({ trainedFromMs, trainedToMs }: Pick<VersionDetails, 'trainedFromMs' | 'trainedToMs'>): string {
  if (trainedToMs === null) return 'not told: it was imported';
  return trainedFromMs === null ? `rows before ${formatTime(trainedToMs)}` : `${formatTime(trainedFromMs)} to ${formatTime(trainedToMs)}`;
}

function approvalLines({ request, settledReason }: VersionDetails, canvas: Canvas): string[] {
  if (request === null) return [];
  const head = `Approval: ${request.status}${settledReason === null ? '' : `, ${settledReason}`}`;
  if (request.decisions.length === 0) return [head];
  const rows = request.decisions.map(({ by, decision, identity, atMs, reason }) => [by, decision, identity, formatTime(atMs), reason]);
  return [head, ...tableLines(titles('who', 'decision', 'identity', 'at', 'why'), rows, canvas)];
}

/** In an audit `done` is nothing special; refusals and failures are. */
const plainDone = (style: Style): Style => ({ ...style, warn: (text) => (text === 'done' ? text : style.warn(text)) });
