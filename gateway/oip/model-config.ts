import type { GatewayConfig } from '../gateway-config.js';
import { defaultPriority } from '../models/batcher.js';
import type { Reply } from '../http/reply.js';
import { json } from '../http/reply.js';
import type { SignatureTensor } from '../plans/serving-plan.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { chooseVersion } from '../routing/routing-table.js';

/** Datatypes of the protocol in the words of Triton's ModelConfig. */
const dataTypes: Readonly<Record<string, string>> = { BYTES: 'TYPE_STRING' };

type Limits = Pick<GatewayConfig, 'maxBatchRows' | 'maxWaiting' | 'answerLimitMs'>;

/**
 * `GET /v2/models/{m}[/versions/{v}]/config`: the ModelConfig of a version (the champion's, without one) as Triton has it,
 * filled with what holds here. A model that takes rows has `max_batch_size` and dims without them.
 */
export function modelConfig(tables: RoutingTable, of: { model: string; version: string | null }, limits: Limits): Reply {
  const table = tables.need(of.model);
  const { plan, placed, device } = chooseVersion(table, { version: of.version ?? table.champion?.version ?? null, key: null });
  const { batchable } = plan;
  const tensor = ({ name, datatype, shape }: SignatureTensor) => {
    const rest = batchable ? shape.slice(1) : shape;
    return {
      name,
      data_type: dataTypes[datatype] ?? `TYPE_${datatype}`,
      // ModelConfig has no tensors without dims: one value a row is told as a list of one that is reshaped.
      dims: rest.length === 0 ? [1] : rest,
      ...(rest.length === 0 ? { reshape: { shape: [] } } : {}),
      is_shape_tensor: false,
    };
  };
  return json(200, {
    name: of.model,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    // Its other policies name versions by number; the versions that are there stand in the metadata.
    version_policy: { all: {} },
    max_batch_size: batchable ? limits.maxBatchRows : 0,
    input: plan.inputs.map((input) => ({
      ...tensor(input),
      format: 'FORMAT_NONE',
      allow_ragged_batch: false,
      optional: false,
    })),
    output: plan.outputs.map((output) => ({ ...tensor(output), label_filename: '' })),
    batch_input: [],
    batch_output: [],
    ...(batchable ? { dynamic_batching: dynamicBatching(limits) } : {}),
    // One that is not in memory has not been given its device yet: no list stands for any.
    instance_group: [
      {
        name: of.model,
        // Runs at the same time: one a thread, and one where it runs in place.
        count: Math.max(1, placed.threads),
        kind: placed.device === null ? 'KIND_CPU' : 'KIND_GPU',
        gpus: device === null ? [] : [device.index],
      },
    ],
    default_model_filename: 'model.onnx',
    cc_model_filenames: {},
    metric_tags: {},
    parameters: {},
    model_warmup: [],
  });
}

/** Nothing waits for a batch by the clock, so the delay is 0. */
function dynamicBatching({ maxBatchRows, maxWaiting, answerLimitMs }: Limits) {
  return {
    preferred_batch_size: [maxBatchRows],
    max_queue_delay_microseconds: 0,
    preserve_ordering: false,
    // Triton takes a level beyond these for the default one, and none at all where there are 0; here every whole number is a level of its own.
    priority_levels: Number.MAX_SAFE_INTEGER,
    default_priority_level: defaultPriority,
    priority_queue_policy: {},
    default_queue_policy: {
      timeout_action: 'REJECT',
      default_timeout_microseconds: answerLimitMs * 1000,
      allow_timeout_override: true,
      max_queue_size: maxWaiting,
    },
  };
}
