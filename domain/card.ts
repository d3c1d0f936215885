import { PerennialError } from './errors.js';
import type { MetricDefinition, MetricValue } from './metrics.js';
import type { TrainedDefinition } from './model-definition.js';

/** What a model card is written from, beside the definition. Times are epoch milliseconds. */
export type CardFacts = {
  readonly definition: TrainedDefinition;
  readonly metrics: readonly MetricValue[];
  /** Rows that the metrics were measured on, half-open. */
  readonly evaluated: { readonly rows: number; readonly fromMs: number; readonly toMs: number };
  /** Library and version that trained it, `lightgbm 4.6.0`. */
  readonly framework: string;
  readonly trainingRows: number | null;
};

const unnumbered = '(given by the registry)';
/** The row that the registry fills in. */
export const versionRow = `| Version | ${unnumbered} |`;

/** The model card, Markdown: what it is, what it is for, how good it was on which rows, what it cannot do, when it is trained again. */
export function modelCard({ definition, metrics, evaluated, framework, trainingRows }: CardFacts): string {
  const { name, card, trainer, retraining, target } = definition;
  const sections = [
    [`# Model card: ${name}`, definition.description],
    [
      '| | |',
      '|---|---|',
      versionRow,
      `| Data until | ${day(evaluated.toMs)} |`,
      `| Type | ${definition.task} of ${cell(target.column)} in ${cell(target.unit)} |`,
      `| Framework | ${cell(framework)}, served as ONNX |`,
      `| Owner | ${cell(definition.owner)} |`,
      `| Risk | ${definition.risk} |`,
    ],
    ['## Intended use', card.intendedUse],
    ['## Primary users', card.primaryUsers],
    [
      '## Metrics',
      `Measured on the ${evaluated.rows} held-out rows from ${day(evaluated.fromMs)} to ${day(evaluated.toMs)}, by the ONNX file${trainer.refit ? ' before it was trained again on the whole window' : ''}.`,
    ],
    [
      '| metric | value | rows | left out |',
      '|---|---|---|---|',
      ...metrics.map((metric) => `| ${metricName(metric)} | ${figure(metric, target.unit)} | ${metric.count} | ${metric.excluded} |`),
    ],
    ['## Limitations', ...card.limitations.map((limitation) => `- ${limitation}`)],
    [
      '## Training data',
      `The last ${definition.window.days} days${trainingRows === null ? '' : ` (${trainingRows} rows)`} of: ${Object.values(definition.source.files).join(', ')}.`,
      ...lines('Origin', definition.source.origin),
      ...lines('Licence', definition.source.licence),
    ],
    ['## Features', definition.features.map((feature) => feature.name).join(', ')],
    [
      '## Retraining',
      retraining.schedules.length === 0
        ? 'On request.'
        : retraining.schedules.map((schedule) => `- ${schedule.name}: \`${schedule.cron}\` UTC`).join('\n'),
      'Every version passes the gates below, an approval by risk, and a gradual rollout.',
    ],
    ['## Gates', ...definition.gates.map((gate) => `- ${gateText(gate, definition.metrics)}`)],
  ];
  return joinedSections(sections);
}

/** Whether a card is one written here that still waits for its version. A package made elsewhere may have a card of its own. */
export const isUnnumbered = (card: string): boolean => card.includes(versionRow);

/** The card of a version, once the registry has numbered it. `DataInvalid` when the text is no such card. */
export function cardOfVersion(card: string, version: string): string {
  if (!isUnnumbered(card))
    throw new PerennialError(
      'DataInvalid',
      'the model card has no open version row: it was not written by this release, or is numbered already',
    );
  return card.replace(versionRow, `| Version | ${version} |`);
}

/** The text of a card. Rows of a table and items of a list follow each other; paragraphs stand apart. */
export function joinedSections(sections: readonly (readonly string[])[]): string {
  return `${sections.map((section) => joined(section)).join('\n\n')}\n`;
}

function joined(section: readonly string[]): string {
  const block = (line: string) => line.startsWith('|') || line.startsWith('- ');
  return section.reduce((text, line, i) => (i === 0 ? line : `${text}${block(line) && block(section[i - 1]!) ? '\n' : '\n\n'}${line}`), '');
}

const lines = (name: string, value: string | undefined): string[] => (value === undefined ? [] : [`${name}: ${value}.`]);
/** A time as cards have it. */
export const day = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
/** Text inside a table cell. */
export const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const percent = (fraction: number): string => `${(fraction * 100).toFixed(1)}%`;

function metricName({ name, floor }: MetricValue): string {
  return floor === undefined ? name : `${name}, actual at least ${floor}`;
}

function figure({ kind, value }: MetricValue, unit: string): string {
  if (value === null) return 'no figure';
  return isShare(kind) ? percent(value) : `${value.toFixed(2)} ${cell(unit)}`;
}

const isShare = (kind: MetricDefinition['kind'] | undefined): boolean => kind === 'mape' || kind === 'wape';

function gateText(gate: TrainedDefinition['gates'][number], metrics: readonly MetricDefinition[]): string {
  if (gate.kind === 'latency') return `latency: P95 of one row at most ${gate.maxP95Ms} ms`;
  const metric = metrics.find(({ name }) => name === gate.metric);
  const shown = metric?.kind === 'mape' ? `${gate.metric} (actual at least ${metric.floor})` : gate.metric;
  const limit = (value: number): string => (isShare(metric?.kind) ? percent(value) : String(value));
  switch (gate.kind) {
    case 'maximum':
      return `${shown} below ${limit(gate.limit)}, on at least ${gate.minRows} rows`;
    case 'minimum':
      return `${shown} above ${limit(gate.limit)}, on at least ${gate.minRows} rows`;
    case 'notWorseThanChampion':
      return `${shown} not worse than the champion's on the same rows${gate.maxRelativeIncrease === 0 ? '' : ` by more than ${percent(gate.maxRelativeIncrease)} of it`}`;
  }
}
