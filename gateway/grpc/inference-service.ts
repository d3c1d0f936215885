import { fileURLToPath } from 'node:url';
import type { handleBidiStreamingCall, handleUnaryCall, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { PackageDefinition, ServiceDefinition as LoadedService } from '@grpc/proto-loader';

export const serviceName = 'inference.GRPCInferenceService';

/** The calls beside inference, by name. */
export type UnaryName =
  | 'ServerLive'
  | 'ServerReady'
  | 'ModelReady'
  | 'ServerMetadata'
  | 'ModelMetadata'
  | 'ModelConfig'
  | 'ModelStatistics'
  | 'RepositoryIndex'
  | 'RepositoryModelLoad'
  | 'RepositoryModelUnload'
  | 'SystemSharedMemoryStatus'
  | 'SystemSharedMemoryRegister'
  | 'SystemSharedMemoryUnregister'
  | 'CudaSharedMemoryStatus'
  | 'CudaSharedMemoryRegister'
  | 'CudaSharedMemoryUnregister'
  | 'TraceSetting'
  | 'LogSettings';

/** Messages as they travel. What cannot be read is the caller's fault, so handlers read them, not grpc-js, which says INTERNAL. */
export type BytesCall = handleUnaryCall<Buffer, Uint8Array>;
export type BytesStream = handleBidiStreamingCall<Buffer, Uint8Array>;

/** The service of `inference.proto`. */
export type InferenceService = {
  /** For the server: messages stay bytes. */
  readonly definition: ServiceDefinition;
  /** How a call's request is read and its answer written; reading throws for what is no such message. */
  readonly codec: (name: UnaryName) => { read(bytes: Buffer): Record<string, unknown>; write(answer: object): Buffer };
  /** What server reflection tells of. */
  readonly descriptions: PackageDefinition;
};

/** Loads the service from its `.proto`, by default the one beside this file. */
export function inferenceService(file: string | null): InferenceService {
  const descriptions = loadSync(file ?? fileURLToPath(new URL('./inference.proto', import.meta.url)), {
    keepCase: true,
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const loaded = descriptions[serviceName] as LoadedService;
  const asBytes = { requestDeserialize: (bytes: Buffer) => bytes, responseSerialize: (bytes: Buffer) => bytes };
  return {
    definition: Object.fromEntries(Object.entries(loaded).map(([name, method]) => [name, { ...method, ...asBytes }])),
    codec(name) {
      const { requestDeserialize, responseSerialize } = loaded[name]!;
      return { read: (bytes) => requestDeserialize(bytes) as Record<string, unknown>, write: (answer) => responseSerialize(answer) };
    },
    descriptions,
  };
}
