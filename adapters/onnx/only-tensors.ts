import type { TrialValue } from '../../activities/trial-ports.js';
import { PerennialError } from '../../domain/errors.js';

/** What ONNX Runtime says of an input or output that is no tensor. */
const nonTensor = 'non-tensor';

/** Refuses (`ArtifactRejected`) a model that takes or answers a sequence, a map or an optional: there are none on the wire. */
export function refuseNonTensors({
  inputs,
  outputs,
}: {
  readonly inputs: readonly TrialValue[];
  readonly outputs: readonly TrialValue[];
}): void {
  const refuse = (what: string, wayOut: string): never => {
    throw new PerennialError('ArtifactRejected', `model.onnx ${what}, and callers send and get tensors alone: ${wayOut}`);
  };
  const output = outputs.find(({ type }) => type === nonTensor);
  if (output !== undefined)
    refuse(
      `answers ${JSON.stringify(output.name)} as a sequence or a map`,
      "export it with tensors (classifiers of scikit-learn with options={'zipmap': False} of skl2onnx, others with zipmap=False of onnxmltools)",
    );
  const input = inputs.find(({ type }) => type === nonTensor);
  if (input !== undefined)
    refuse(`takes ${JSON.stringify(input.name)} as a sequence, a map or an optional`, 'export it with tensors as its inputs');
}
