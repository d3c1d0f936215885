import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Runner } from './runner.js';
import { sessionOptions } from './runner.js';
import type { NamedTensors, Tensor, TensorMeta } from './tensors.js';

/**
 * A model that runs on the event loop's own thread. `session.run` of onnxruntime-node blocks while it computes, so this
 * is for models that are cheaper to run than to hand over.
 */
export async function loadInPlace(model: Uint8Array): Promise<Runner> {
  const session = await InferenceSession.create(model, sessionOptions);
  return {
    placement: 'inPlace',
    lanes: 1,
    inputs: session.inputMetadata.map(tensorMeta),
    outputs: session.outputMetadata.map(tensorMeta),
    async run(feeds) {
      const ortFeeds: Record<string, OrtTensor> = {};
      for (const name in feeds) {
        const tensor = feeds[name]!;
        ortFeeds[name] = new OrtTensor(tensor.type as 'float32', tensor.data as Float32Array, tensor.dims);
      }
      const answered = await session.run(ortFeeds);
      const outputs: Record<string, Tensor> = {};
      for (const name in answered) {
        const tensor = answered[name]!;
        outputs[name] = { type: tensor.type as Tensor['type'], dims: tensor.dims, data: tensor.data as Tensor['data'] };
      }
      return outputs as NamedTensors;
    },
    async release() {
      await session.release();
    },
  };
}

function tensorMeta(meta: InferenceSession.ValueMetadata): TensorMeta {
  if (!meta.isTensor) return { name: meta.name, type: 'non-tensor', shape: [] };
  return { name: meta.name, type: meta.type, shape: meta.shape.map((dim) => (typeof dim === 'number' ? dim : -1)) };
}
