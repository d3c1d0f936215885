import { cell, day, joinedSections, versionRow } from './card.js';
import { formatLatency } from './format.js';
import type { ImportedDefinition } from './model-definition.js';

type Tensor = { readonly name: string; readonly datatype: string; readonly shape: readonly number[] };

/** What the card of an imported version is written from, beside the definition. */
export type ImportedCardFacts = {
  readonly definition: ImportedDefinition;
  /** What made the file, `xgboost 3.1.2`. */
  readonly framework: string;
  /** Epoch milliseconds; null when nobody said. */
  readonly trainedToMs: number | null;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** How near its answers are to the native model's; null when nobody said what that answers. */
  readonly parity: { readonly values: number; readonly largestDifference: number; readonly tolerance: number } | null;
  readonly latencyP95Ms: number;
};

/** The model card of a version that was made elsewhere, Markdown. What is not known of it, it says. */
export function importedCard(facts: ImportedCardFacts): string {
  const { definition, framework, trainedToMs, latencyP95Ms } = facts;
  const { name, card } = definition;
  return joinedSections([
    [`# Model card: ${name}`, definition.description],
    [
      '| | |',
      '|---|---|',
      versionRow,
      `| Data until | ${trainedToMs === null ? 'not known: nobody said which rows it was trained on' : day(trainedToMs)} |`,
      `| Type | ${definition.task} |`,
      `| Framework | ${cell(framework)}, imported and served as ONNX |`,
      `| Owner | ${cell(definition.owner)} |`,
      `| Risk | ${definition.risk} |`,
    ],
    ['## Intended use', card.intendedUse],
    ['## Primary users', card.primaryUsers],
    ['## Metrics', 'Its quality was not measured here.', parityText(facts), `P95 of a run on its example: ${formatLatency(latencyP95Ms)}.`],
    [
      '## Inputs and outputs',
      '| tensor | datatype | shape |',
      '|---|---|---|',
      ...tensorRows('in', facts.inputs),
      ...tensorRows('out', facts.outputs),
    ],
    ['## Limitations', ...card.limitations.map((limitation) => `- ${limitation}`)],
    [
      '## Training data',
      `Not known here: the model was trained elsewhere${trainedToMs === null ? '' : `, on rows before ${day(trainedToMs)}`}.`,
    ],
    ...(definition.features.length === 0 ? [] : [['## Features', definition.features.map((feature) => feature.name).join(', ')]]),
    [
      '## Retraining',
      'Elsewhere: a new file is imported. Every version passes the gates below, an approval by risk, and a gradual rollout.',
    ],
    ['## Gates', ...definition.gates.map((gate) => `- latency: P95 of a run on its example at most ${gate.maxP95Ms} ms`)],
  ]);
}

function parityText({ parity, framework }: ImportedCardFacts): string {
  return parity === null
    ? `Whether it answers as the model of ${framework} does was not compared: nobody said what that answers.`
    : `It answers its example as the model of ${framework} did: ${parity.values} values, largest difference ${parity.largestDifference.toPrecision(2)} (tolerance ${parity.tolerance}).`;
}

const tensorRows = (way: string, tensors: readonly Tensor[]): string[] =>
  tensors.map(({ name, datatype, shape }) => `| ${way}: ${cell(name)} | ${datatype} | [${shape.join(', ')}] |`);
