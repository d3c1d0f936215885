import { fileURLToPath } from 'node:url';
import type { CallOptions, ClientDuplexStream, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll } from 'vitest';

const protoFile = fileURLToPath(new URL('../../../gateway/grpc/inference.proto', import.meta.url));
const loaded = loadPackageDefinition(
  loadSync(protoFile, { keepCase: true, longs: String, enums: String, defaults: true, arrays: true, oneofs: true }),
) as unknown as { inference: { GRPCInferenceService: ServiceClientConstructor } };

export type Message = Record<string, unknown>;
export type Tensor = { name: string; datatype: string; shape: string[]; contents: Record<string, unknown[]> | null };
export type InferMessage = {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Record<string, Message>;
  outputs: Tensor[];
  raw_output_contents: Buffer[];
};
export type StreamMessage = { error_message: string; infer_response: InferMessage | null };

/** A stock gRPC client of the inference service. */
export class GrpcClient {
  readonly #client: InstanceType<ServiceClientConstructor>;

  constructor(address: string, using: ChannelCredentials = credentials.createInsecure(), options: Record<string, string | number> = {}) {
    this.#client = new loaded.inference.GRPCInferenceService(address, using, {
      'grpc.max_receive_message_length': -1,
      'grpc.enable_retries': 0,
      ...options,
    });
    afterAll(() => this.close());
  }

  /** Resolves to the answer, or rejects with the status (`code`, `details`, `metadata`). */
  call<T = Message>(rpc: string, request: object, more: { metadata?: Record<string, string>; options?: CallOptions } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#method(rpc)(request, metadataOf(more.metadata), more.options ?? {}, (error: ServiceError | null, answer: T) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  }

  /** As `call`, and hands out the call so that it can be cancelled. */
  cancellable(rpc: string, request: object): { answer: Promise<Message>; cancel: () => void } {
    let cancel: () => void = () => undefined;
    const answer = new Promise<Message>((resolve, reject) => {
      const call = this.#method(rpc)(request, new Metadata(), {}, (error: ServiceError | null, value: Message) =>
        error === null ? resolve(value) : reject(error),
      ) as { cancel(): void };
      cancel = () => call.cancel();
    });
    return { answer, cancel };
  }

  /** Sends bytes that need be no message. */
  bytes(rpc: string, message: Buffer): Promise<Buffer> {
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(`/inference.GRPCInferenceService/${rpc}`, same, same, message, (error, answer) =>
        error === null ? resolve(answer!) : reject(error),
      );
    });
  }

  stream(metadata?: Record<string, string>): ClientDuplexStream<object, StreamMessage> {
    return this.#method('ModelStreamInfer')(metadataOf(metadata)) as ClientDuplexStream<object, StreamMessage>;
  }

  close(): void {
    this.#client.close();
  }

  #method(rpc: string): (...args: unknown[]) => unknown {
    return (...args) => (this.#client[rpc] as (...args: unknown[]) => unknown).apply(this.#client, args);
  }
}

/** The name of the status that a call was refused with, its words and its trailing metadata. */
export async function refusal(call: Promise<unknown>): Promise<{ status: string; details: string; pushback: unknown }> {
  const error = await call.then(
    () => {
      throw new Error('the call was answered');
    },
    (reason: ServiceError) => reason,
  );
  if (typeof error.code !== 'number') throw error;
  return { status: status[error.code]!, details: error.details, pushback: error.metadata.get('grpc-retry-pushback-ms')[0] };
}

/** A request for the `twoNumbers` spec with typed contents; `rows` are pairs (a, b). */
export function typedPairs(rows: readonly (readonly [number, number])[], more: Message = {}): Message {
  const n = rows.length;
  return {
    model_name: 'demand',
    inputs: [
      { name: 'hour', datatype: 'INT64', shape: [n], contents: { int64_contents: rows.map((_, i) => 1_317_427_200_000 + i * 3_600_000) } },
      { name: 'a', datatype: 'FP64', shape: [n], contents: { fp64_contents: rows.map(([a]) => a) } },
      { name: 'b', datatype: 'FP64', shape: [n, 1], contents: { fp64_contents: rows.map(([, b]) => b) } },
    ],
    ...more,
  };
}

/** The same as raw tensors. */
export function rawPairs(rows: readonly (readonly [number, number])[], more: Message = {}): Message {
  const { inputs, ...rest } = typedPairs(rows, more) as { inputs: Message[] };
  return {
    ...rest,
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_input_contents: [
      Buffer.from(BigInt64Array.from(rows, (_, i) => BigInt(1_317_427_200_000 + i * 3_600_000)).buffer),
      Buffer.from(Float64Array.from(rows, ([a]) => a).buffer),
      Buffer.from(Float64Array.from(rows, ([, b]) => b).buffer),
    ],
  };
}

function metadataOf(entries: Record<string, string> = {}): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}
