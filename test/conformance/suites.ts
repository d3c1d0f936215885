import type { NewAwsPair } from '../../adapters/keys/gateway-key.js';
import type { ImportWorld } from './frameworks/import-model.js';

/** What a suite needs of the run. */
export type Target = {
  readonly root: string;
  readonly tools: string;
  /** `host:port` of the gateway. */
  readonly http: string;
  readonly grpc: string;
  /** Folder of asynchronous invocations of the gateway. */
  readonly asyncFolder: string;
  readonly log: string;
  /** Of a gateway that wants keys; null while everybody may call. */
  readonly pairs: SignedCallers | null;
  /** What this gateway serves, for suites that add to it. */
  readonly world?: ImportWorld;
};

/** What AWS's clients sign with: of a key that may ask for all, of one for another model, of one that was revoked. */
export type SignedCallers = Readonly<Record<'good' | 'other' | 'revoked', NewAwsPair>>;

export type Case = {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** Why it failed or was skipped. */
  readonly reason?: string;
};

export type Suite = {
  readonly name: string;
  /** Whether its callers sign, on a gateway that wants that; these come last. */
  readonly signs?: true;
  /** Who asks, and what. */
  readonly what: string;
  readonly runs:
    | { readonly kind: 'pytest'; readonly file: string }
    | { readonly kind: 'python'; readonly file: string; readonly environment: string }
    | { readonly kind: 'here'; readonly run: (target: Target) => AsyncIterable<Case> };
};

/** Suites in files, in their order; `aws-sdk-js` runs in the conformance process itself. */
export const pythonSuites: readonly Suite[] = [
  pytest('tritonclient-http', 'tritonclient.http and its asyncio form: binary, JSON, packed, management'),
  pytest('tritonclient-grpc', 'tritonclient.grpc and its asyncio form: raw, stream, deadlines, management'),
  pytest('kserve', 'KServe InferenceRESTClient (v1, v2) and InferenceGRPCClient; ports of its test_inference_client'),
  pytest('boto3', 'boto3 sagemaker-runtime: headers, errors, asynchronous invocations, response streams'),
  pytest('grpc-health', 'grpcio-health-checking: Check, Watch, List'),
  pytest('open-inference', 'the generated clients open-inference-grpc and open-inference-openapi'),
  {
    name: 'mlserver',
    what: 'MLServer: its pydantic types read our answers, its gRPC stubs ask; ports of tests/rest and tests/grpc',
    runs: { kind: 'python', file: 'mlserver.py', environment: 'python-rivals' },
  },
  pytest('triton-http', 'ports of Triton L0_http, http_input_size_limit and L0_input_validation'),
  pytest('triton-grpc', 'ports of Triton L0_grpc'),
  pytest('triton-batcher', 'ports of Triton L0_batcher: what waits together runs together'),
  pytest('triton-lifecycle', 'ports of Triton L0_lifecycle: load, unload and reload under load, by version'),
  pytest('perf-analyzer', 'perf_analyzer: concurrency and request rate, over HTTP, gRPC and TensorFlow Serving'),
  pytest('schemathesis', 'schemathesis on GET /openapi.json, seeded and bounded'),
  {
    ...pytest('boto3-signed', 'boto3 signing (SigV4) to a gateway with keys: right and wrong pairs, changed requests, dates'),
    signs: true,
  },
];

function pytest(name: string, what: string): Suite {
  return { name, what, runs: { kind: 'pytest', file: `test_${name.replaceAll('-', '_')}.py` } };
}
