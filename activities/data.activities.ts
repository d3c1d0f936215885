import { inputColumns, lookbackMs } from '../domain/feature-computation.js';
import type { DataActivities } from '../contracts/activities.js';
import type { DatasetRef } from '../contracts/artifacts.js';
import type { TrainedDefinition } from '../domain/model-definition.js';
import { buildFeatures } from './data/build-features.js';
import { checkData } from './data/check-data.js';
import { type DataDeps, openTable, withScratch } from './data/data-deps.js';
import { extractionInputs, extractWindow } from './data/extract-window.js';
import { readOutcomes } from './data/read-dataset.js';
import { openSources } from './data/source-files.js';
import { splitFeatures } from './data/split-features.js';
import { cachedStep } from './step-cache.js';

export type { DataDeps } from './data/data-deps.js';

/** Raised by whoever changes what a step answers for the same inputs: earlier outputs are then made again. */
const codeVersions = { extract: '2', check: '1', features: '2', split: '3' } as const;

/** Serving gets at least this many of the newest outcomes, also when its features look back less far. */
const servedOutcomes = 10_000;
const outcomeBatch = 5_000;

/** The data steps of a run (queue `cpu`). Failures: `DataInvalid` (the data or the definition), `Unavailable` (a source that cannot be read now). */
export function createDataActivities(deps: DataDeps): DataActivities {
  return {
    extractWindow: (input) =>
      withScratch(deps, [deps.dataFolder], async (scratch) => {
        const { definition, asOfMs } = input;
        const extract = { definition, asOfMs, files: await openSources(deps, definition, scratch.folder) };
        return cachedStep(
          deps,
          { step: 'extract', context: input, codeVersion: codeVersions.extract, inputs: extractionInputs(extract) },
          () => extractWindow(deps, extract, scratch),
        );
      }),

    checkData: (input) => {
      const { definition, dataset, asOfMs } = input;
      const inputs = { dataset: dataset.digest, checks: definition.checks, eventTime: definition.eventTime, asOfMs };
      return cachedStep(deps, { step: 'check', context: input, codeVersion: codeVersions.check, inputs }, () =>
        withScratch(deps, [], async ({ folder, session }) =>
          checkData({ definition, dataset, asOfMs }, session, await openTable(deps, folder, dataset.object)),
        ),
      );
    },

    buildFeatures: async (input) => {
      const { definition, dataset } = input;
      await storeOutcomes(deps, definition, dataset);
      const inputs = {
        dataset: dataset.digest,
        features: definition.features,
        columns: inputColumns(definition.features),
        eventTime: definition.eventTime,
        target: definition.target.column,
      };
      return cachedStep(deps, { step: 'features', context: input, codeVersion: codeVersions.features, inputs }, () =>
        withScratch(deps, [], (scratch) => buildFeatures(deps, { definition, dataset }, scratch)),
      );
    },

    splitFeatures: (input) => {
      const { definition, features } = input;
      const inputs = {
        features: features.object.digest,
        dataset: features.dataset?.digest,
        eventTime: definition.eventTime,
        split: definition.split,
        forTuning: definition.tuning !== undefined,
      };
      return cachedStep(deps, { step: 'split', context: input, codeVersion: codeVersions.split, inputs }, () =>
        withScratch(deps, [], (scratch) => splitFeatures(deps, { definition, features }, scratch)),
      );
    },
  };
}

/**
 * Gives serving the outcomes that its lags are computed from, after they passed the checks. Done in every run, also when the
 * features are reused: the store may be newer than the cache.
 */
async function storeOutcomes(deps: DataDeps, definition: TrainedDefinition, dataset: DatasetRef): Promise<void> {
  if (dataset.outcomes === undefined) return;
  const fromMs = dataset.toMs - lookbackMs(definition.features);
  const outcomes = await withScratch(deps, [], (scratch) => readOutcomes(deps, { dataset, atLeast: servedOutcomes, fromMs }, scratch));
  for (let i = 0; i < outcomes.length; i += outcomeBatch) {
    await deps.outcomes.upsert(definition.name, outcomes.slice(i, i + outcomeBatch));
  }
}
