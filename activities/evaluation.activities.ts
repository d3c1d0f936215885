import type { EvaluationActivities } from '../contracts/activities.js';
import { evaluateModel } from './evaluation/evaluate-model.js';
import type { EvaluationDeps } from './evaluation/evaluation-deps.js';
import { packageModel } from './evaluation/package-model.js';
import { cachedStep } from './step-cache.js';

export type { EvaluationDeps } from './evaluation/evaluation-deps.js';

/** Raised by whoever changes what a step answers for the same inputs. */
const codeVersions = { evaluate: '1', package: '1' } as const;

/** Evaluation and packaging (queue `cpu`). Expected failures are `ArtifactRejected`; nothing of a rejected file is stored. */
export function createEvaluationActivities(deps: EvaluationDeps): Pick<EvaluationActivities, 'evaluateModel' | 'packageModel'> {
  return {
    evaluateModel: (input) => {
      const { definition, onnx, holdout, champion } = input;
      const inputs = {
        model: definition.name,
        onnx: onnx.digest,
        holdout: holdout.object.digest,
        dataset: holdout.dataset?.digest,
        eventTime: definition.eventTime,
        target: definition.target,
        features: definition.features,
        metrics: definition.metrics,
        output: definition.serving.output,
        champion:
          champion === null ? null : { version: champion.version, package: champion.package.digest, trainedToMs: champion.trainedToMs },
      };
      return cachedStep(deps, { step: 'evaluate', context: input, codeVersion: codeVersions.evaluate, inputs }, () =>
        evaluateModel(deps, { definition, onnx, holdout, champion }),
      );
    },

    packageModel: (input) => {
      const { definition, trained, sample, evaluation } = input;
      const inputs = {
        definition,
        onnx: trained.onnx.digest,
        native: trained.native.digest,
        manifest: trained.manifest.digest,
        sample: sample.object.digest,
        evaluation: evaluation.digest,
      };
      return cachedStep(deps, { step: 'package', context: input, codeVersion: codeVersions.package, inputs }, () =>
        packageModel(deps, { definition, trained, sample, evaluation }),
      );
    },
  };
}
