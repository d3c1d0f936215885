import { availableParallelism, totalmem } from 'node:os';

import type { Device } from '../domain/devices.js';
import type { TokenIssuer } from './access/token-verifier.js';

/** Settings of one gateway process. Times in milliseconds, sizes in bytes unless the name says rows. */
export type GatewayConfig = {
  /** Name of this process in leases and acknowledgements; another one at each start. */
  readonly id: string;
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Address under which others reach this gateway, when it is not the one that it listens on. */
  readonly publicUrl: string | null;
  /** An admin key. Without it, without other keys and without `tokens` (on loopback alone) everybody may call. */
  readonly token: string | null;
  /** An admin key that by itself leaves the gateway open: the platform's own, beside keys on loopback. */
  readonly localToken: string | null;
  /** Whose JSON Web Tokens count; null for nobody's. */
  readonly tokens: TokenIssuer | null;
  /** Values of the Host header that administration answers beside those of loopback, while everybody may call. */
  readonly hosts: readonly string[];
  /** Port of gRPC; 0 takes a free one, null leaves gRPC out. */
  readonly grpcPort: number | null;
  /** Whether a free port is taken for gRPC where `grpcPort` is another program's. */
  readonly grpcPortMayMove: boolean;
  /** The gRPC service's `.proto`; by default the one beside the gateway's own code. */
  readonly grpcProto: string | null;
  /** PEM texts for gRPC over TLS; with an authority, callers must show a certificate of it. Null for plain connections. */
  readonly grpcTls: { readonly certificate: string; readonly key: string; readonly clientAuthority: string | null } | null;
  /** Calls that one gRPC connection may have open. */
  readonly grpcMaxStreams: number;
  /** Requests of one gRPC stream that are worked on at once. */
  readonly grpcMaxInFlight: number;
  /** Folder for the last good state and the packages by digest. */
  readonly folder: string;
  /** Folders of processes of this gateway that are started no more: their jobs become this one's. */
  readonly leftFolders: readonly string[];
  /** Program of the inference thread; by default the one beside the gateway's own code. */
  readonly inferenceThread: string | null;
  /** Program of the thread that reads large bodies; by default the one beside the gateway's own code. */
  readonly bodyThread: string | null;
  /** Bodies of at least this size are read in a thread: a smaller one keeps the event loop for some milliseconds at most. */
  readonly bodyThreadBytes: number;
  readonly maxBodyBytes: number;
  /** Memory that bodies over 64 KiB may take together until they are answered; beyond it, 503. */
  readonly maxBodiesBytes: number;
  /** Connections at a time; more are closed at once. */
  readonly maxConnections: number;
  readonly maxJsonDepth: number;
  /** Answers of this size and more go out packed (gzip, deflate) to callers that accept it. */
  readonly packFromBytes: number;
  readonly maxRows: number;
  /** A model whose run takes longer than this when warmed up runs in a thread of its own. */
  readonly inPlaceMaxMs: number;
  /** Whether tree ensembles are compiled, where they then answer what ONNX Runtime answers; or ONNX Runtime runs them, too. */
  readonly compileTrees: boolean;
  /** How long a session of SageMaker's runtime lasts. */
  readonly sessionTtlMs: number;
  /** A model that takes longer than this to load would stop the event loop for as long: it runs in a thread too. */
  readonly inPlaceLoadMaxMs: number;
  /** Longest that one run in place may take; larger requests are cut into several, with turns for others in between. */
  readonly inPlaceTurnMs: number;
  /** Longest that one run of several requests in a thread should take. */
  readonly threadRunMs: number;
  /** Most threads of one version. */
  readonly maxThreads: number;
  /** Memory that all loaded models may take together; the least used are released beyond it. */
  readonly memoryBudgetBytes: number;
  /** Accelerators that versions may be given; none has everything run on the CPU. */
  readonly devices: readonly Device[];
  /** Memory that a model may take while it is tried. */
  readonly trialMemoryBytes: number;
  /** A version that nobody asked for this long is released until somebody does; 0 keeps it. */
  readonly idleUnloadMs: number;
  /** How long a request waits for a version that is being loaded. */
  readonly coldWaitMs: number;
  /** Requests that may wait for a version that is being loaded; more are answered 503. */
  readonly maxWaitingForLoad: number;
  /** Entities whose looked-up features are kept. */
  readonly featureCacheEntries: number;
  /** How long the online feature store may take. */
  readonly featureLimitMs: number;
  /** Rows of a long job that are predicted together. */
  readonly jobSliceRows: number;
  /** Long jobs at work at the same time. */
  readonly jobsAtOnce: number;
  /** Long jobs that are kept, ended ones included; more are refused. */
  readonly maxJobs: number;
  readonly maxJobRows: number;
  readonly maxJobInputBytes: number;
  readonly maxJobLineBytes: number;
  /** How long a job may be at work. */
  readonly jobLimitMs: number;
  /** How long the results of a job are kept after its end. */
  readonly jobTtlMs: number;
  /** Most rows of one run. */
  readonly maxBatchRows: number;
  /** Requests that may wait for one version; more are answered 503. */
  readonly maxWaiting: number;
  /** How long a request waits for a version before it is given up; a thread that computes longer than this is replaced. */
  readonly answerLimitMs: number;
  /** How long a request waits for a challenger before the champion answers instead. */
  readonly challengerLimitMs: number;
  /** Requests that wait for the shadow; more are shed. */
  readonly maxShadowWaiting: number;
  /** Copies that a shadow in a thread works on at once. */
  readonly maxShadowAtWork: number;
  /** A copy older than this is shed before the shadow sees it. */
  readonly shadowLimitMs: number;
  readonly captureEveryMs: number;
  readonly captureBatchRows: number;
  /** A request that takes longer gets a line of the log. */
  readonly slowRequestMs: number;
  /** How often the registry is asked for the quality of what is live. */
  readonly qualityEveryMs: number;
  /** How often GPUs are asked what they have to do. */
  readonly gpusEveryMs: number;
  /** How often latency sketches are stored. */
  readonly latencyEveryMs: number;
  /** Sketches that could not be stored for so long are given up: well before sketches of that age are merged. */
  readonly latencyLateMs: number;
  /** Captures kept in memory while the store is slow or away; more are dropped and counted. */
  readonly maxCaptures: number;
  /** How long this thread may be busy on end before it captures fewer predictions. */
  readonly captureBusyAfterMs: number;
  /** Where observed requests are gathered, shared by the gateway's processes on one machine; null: below `folder`. */
  readonly captureFolder: string | null;
  /** A file of observed requests that has grown to this size is finished. */
  readonly captureFileBytes: number;
  /** Such a file is finished at this age. */
  readonly captureFileMs: number;
  /** Observed requests kept in memory until they are written; beyond half of it they are thinned out. */
  readonly captureWaitingBytes: number;
  /** Finished files kept on this machine while their place is away; beyond it no more requests are observed. */
  readonly captureSpoolBytes: number;
  /** Share of a disk in use from which on no requests are written to it. */
  readonly captureDiskUse: number;
  readonly captureDiskEveryMs: number;
  /** Memory of a version's response cache. */
  readonly cacheMaxBytes: number;
  /** Versions that are loaded at the same time; each takes a core while it is measured. */
  readonly loadsAtOnce: number;
  /** How long a model may take to load and answer its first runs. */
  readonly loadLimitMs: number;
  readonly leaseEveryMs: number;
  readonly leaseTtlMs: number;
  readonly followEveryMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How long a caller may take to read an answer that is made; then the connection is broken off. */
  readonly sendTimeoutMs: number;
  /** How long `stop` goes on answering on connections that are kept, each time with the advice to connect anew. */
  readonly drainNoticeMs: number;
  /** How long `stop` waits for requests and captures. */
  readonly drainLimitMs: number;
};

/** Where a gateway listens and keeps its files; everything else has a default. */
export type GatewaySettings = Pick<GatewayConfig, 'id' | 'host' | 'port' | 'folder'> & Partial<GatewayConfig>;

/** Half of the memory that this process may use. */
export function halfOfMemory(): number {
  const constrained = process.constrainedMemory();
  return Math.floor((constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()) / 2);
}

/** How long a model may take to load, and each of its first runs: no version is taken that takes longer. */
export const modelLoadLimitMs = 60_000;

const defaults: Omit<GatewayConfig, 'id' | 'host' | 'port' | 'folder'> = {
  publicUrl: null,
  token: null,
  localToken: null,
  tokens: null,
  hosts: [],
  grpcPort: null,
  grpcPortMayMove: false,
  grpcProto: null,
  grpcTls: null,
  grpcMaxStreams: 1_000,
  grpcMaxInFlight: 64,
  leftFolders: [],
  inferenceThread: null,
  bodyThread: null,
  bodyThreadBytes: 256 * 1024,
  maxBodyBytes: 64 * 1024 * 1024,
  maxBodiesBytes: 512 * 1024 * 1024,
  maxConnections: 10_000,
  maxJsonDepth: 100,
  packFromBytes: 8_192,
  maxRows: 100_000,
  inPlaceMaxMs: 0.3,
  compileTrees: true,
  inPlaceLoadMaxMs: 100,
  inPlaceTurnMs: 5,
  threadRunMs: 100,
  maxThreads: Math.max(1, availableParallelism() - 1),
  memoryBudgetBytes: halfOfMemory(),
  devices: [],
  trialMemoryBytes: halfOfMemory(),
  idleUnloadMs: 0,
  coldWaitMs: 10_000,
  maxWaitingForLoad: 1_000,
  sessionTtlMs: 20 * 60_000,
  featureCacheEntries: 100_000,
  featureLimitMs: 500,
  jobSliceRows: 64,
  jobsAtOnce: 2,
  maxJobs: 1_000,
  maxJobRows: 10_000_000,
  maxJobInputBytes: 1024 * 1024 * 1024,
  maxJobLineBytes: 1024 * 1024,
  jobLimitMs: 24 * 3_600_000,
  jobTtlMs: 24 * 3_600_000,
  maxBatchRows: 256,
  maxWaiting: 1_000,
  answerLimitMs: 30_000,
  challengerLimitMs: 500,
  maxShadowWaiting: 1_000,
  maxShadowAtWork: 64,
  shadowLimitMs: 1_000,
  captureEveryMs: 100,
  slowRequestMs: 1_000,
  qualityEveryMs: 60_000,
  gpusEveryMs: 15_000,
  latencyEveryMs: 1_000,
  latencyLateMs: 24 * 3_600_000,
  captureBatchRows: 500,
  maxCaptures: 100_000,
  captureBusyAfterMs: 1_000,
  captureFolder: null,
  captureFileBytes: 8 * 1024 * 1024,
  captureFileMs: 60_000,
  captureWaitingBytes: 16 * 1024 * 1024,
  captureSpoolBytes: 256 * 1024 * 1024,
  captureDiskUse: 0.9,
  captureDiskEveryMs: 5_000,
  cacheMaxBytes: 64 * 1024 * 1024,
  loadsAtOnce: 2,
  loadLimitMs: modelLoadLimitMs,
  leaseEveryMs: 1_000,
  leaseTtlMs: 5_000,
  followEveryMs: 1_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  sendTimeoutMs: 30_000,
  drainNoticeMs: 1_000,
  drainLimitMs: 10_000,
};

/** Fills in the defaults. */
export function gatewayConfig(settings: GatewaySettings): GatewayConfig {
  return { ...defaults, ...settings };
}
