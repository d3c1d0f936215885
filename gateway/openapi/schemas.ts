/** A JSON Schema of an OpenAPI 3.1 document. */
export type Schema = { readonly [keyword: string]: unknown };

/** A schema of the document by its name. */
export const ref = (name: keyof typeof schemas): Schema => ({ $ref: `#/components/schemas/${name}` });

const text: Schema = { type: 'string' };
const count: Schema = { type: 'integer', minimum: 0 };
const flag: Schema = { type: 'boolean' };
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const object = (properties: Record<string, Schema>, required: readonly string[] = Object.keys(properties)): Schema => ({
  type: 'object',
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const named = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

/** Datatypes of the protocol that the gateway carries. */
export const datatypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

const datatype: Schema = { enum: datatypes };
const shape: Schema = listOf(count);
const metadataTensor = object({ name: text, datatype, shape: listOf({ type: 'integer', minimum: -1 }) });
const parameters: Schema = { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } };
const counted = object({ count, ns: count });

/** The bodies of the gateway's requests and answers. */
export const schemas = {
  Error: object({ error: text }),
  ServerMetadata: object({ name: text, version: text, extensions: listOf(text) }),
  Alive: object({ status: { const: 'alive' } }),
  Live: object({ live: flag }),
  Ready: object({ ready: flag, live: flag }),
  Models: object({ models: listOf(text) }),
  ModelMetadata: object({
    name: text,
    versions: listOf(text),
    platform: text,
    inputs: listOf(metadataTensor),
    outputs: listOf(metadataTensor),
  }),
  ModelReady: object({ name: text, ready: flag, error: text }, ['name', 'ready']),
  RequestInput: object(
    {
      name: text,
      datatype,
      shape,
      data: { description: 'Elements, flat or nested; left out when they follow as bytes' },
      parameters: object({ binary_data_size: count }, []),
    },
    ['name', 'datatype', 'shape'],
  ),
  RequestedOutput: object({ name: text, parameters: object({ binary_data: flag, classification: count }, []) }, ['name']),
  InferenceRequest: object(
    {
      id: text,
      parameters,
      inputs: { ...listOf(named('RequestInput')), minItems: 1 },
      outputs: listOf(named('RequestedOutput')),
    },
    ['inputs'],
  ),
  InferenceResponse: object(
    {
      model_name: text,
      model_version: text,
      id: text,
      parameters,
      outputs: listOf(
        object({ name: text, shape, datatype, data: { type: 'array' }, parameters: object({ binary_data_size: count }, []) }, [
          'name',
          'shape',
          'datatype',
        ]),
      ),
    },
    ['model_name', 'model_version', 'id', 'outputs'],
  ),
  ModelConfig: object({
    name: text,
    platform: text,
    backend: text,
    max_batch_size: count,
    input: listOf(object({})),
    output: listOf(object({})),
  }),
  Statistics: object({
    model_stats: listOf(
      object({
        name: text,
        version: text,
        last_inference: count,
        inference_count: count,
        execution_count: count,
        inference_stats: object({
          success: counted,
          fail: counted,
          queue: counted,
          compute_input: counted,
          compute_infer: counted,
          compute_output: counted,
          cache_hit: counted,
          cache_miss: counted,
        }),
        batch_stats: listOf(object({ batch_size: count, compute_input: counted, compute_infer: counted, compute_output: counted })),
      }),
    ),
  }),
  RepositoryIndexRequest: object({ ready: flag }, []),
  RepositoryIndex: listOf(
    object({ name: text, version: text, state: { enum: ['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING'] }, reason: text }),
  ),
  RepositoryCall: object({ parameters: { type: 'object' } }, []),
  RepositoryDone: object({ name: text }),
  LogSettings: object({
    log_file: text,
    log_info: flag,
    log_warning: flag,
    log_error: flag,
    log_verbose_level: count,
    log_format: text,
  }),
  LogSettingsChange: object({ log_info: flag, log_warning: flag, log_error: flag, log_verbose_level: count }, []),
  TraceSettings: object({
    trace_level: listOf({ enum: ['OFF', 'TIMESTAMPS'] }),
    trace_rate: text,
    trace_count: text,
    log_frequency: text,
    trace_file: text,
    trace_mode: text,
  }),
  TraceSettingsChange: object(
    { trace_level: { type: ['string', 'array', 'null'] }, trace_rate: { type: ['string', 'integer', 'null'] } },
    [],
  ),
  Labels: object({
    labels: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: object({ id: text, subject: { type: ['string', 'number'] }, value: { type: 'number' }, event_time_ms: { type: 'integer' } }, [
        'value',
      ]),
    },
  }),
  LabelOutcomes: object({ stored: count, refused: { type: 'array' }, labels: listOf(object({ outcome: text }, ['outcome'])) }),
  Route: object({ model: text, generation: count, variants: { type: 'array' }, loaded: { type: 'array' } }),
  Flushed: object({ written: count, dropped: count, waiting: count }),
  GenerateRequest: {
    type: 'object',
    description: "The model's inputs by name, a value for one row or a list for several",
    properties: { id: text, parameters },
  },
  GenerateResponse: { type: 'object', description: "The model's outputs by name" },
  Job: object({ id: text, model: text, state: { enum: ['queued', 'running', 'succeeded', 'failed', 'cancelled'] } }),
  Rows: object({ instances: { type: 'array', minItems: 1 } }),
  Predictions: object({ predictions: { type: 'array' } }),
  Columns: object({ inputs: {} }),
  Outputs: object({ outputs: {} }),
  ModelStatus: object({
    name: text,
    ready: flag,
    model_version_status: listOf(
      object({ version: text, state: { enum: ['AVAILABLE'] }, status: object({ error_code: text, error_message: text }) }),
    ),
  }),
  InvocationError: object({ Message: text }),
  Anything: {},
} as const satisfies Record<string, Schema>;
