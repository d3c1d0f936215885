import type { ObjectRef } from '../../contracts/artifacts.js';
import type { ClockRef } from '../../domain/clock.js';
import type { Policy } from '../../domain/policy.js';
import type {
  AliasPeriod,
  AuditRow,
  AuditVerdict,
  Investigation,
  LiveAt,
  MetricPoint,
  ModelClock,
  ModelDetails,
  ModelStatus,
  ModelSummary,
  OutboxMessage,
  Person,
  PolicyVersion,
  Publication,
  RolloutAnswer,
  RunDetails,
  RunSummary,
  VersionDetails,
  VersionSummary,
} from '../api/answers.js';
import type { UploadMediaType } from '../api/upload-limits.js';
import { type HttpCall, httpBytes, httpJson } from './http-json.js';
import { upload, type UploadProgress, type UploadSource } from './upload.js';

type Query = Readonly<Record<string, string | number | boolean | undefined>>;
export type SignedRequest = { readonly by: string; readonly reason: string };

/**
 * The control API, typed. Every method throws a `PerennialError`: `Unavailable` when it does not answer, else the
 * failure that it names.
 */
export class ApiClient {
  readonly #url: string;
  readonly #token: string;

  constructor({ apiUrl, token }: { apiUrl: string; token: string }) {
    this.#url = apiUrl;
    this.#token = token;
  }

  models = (): Promise<ModelSummary[]> => this.#get('/api/models');
  model = (model: string): Promise<ModelDetails> => this.#get(`/api/models/${part(model)}`);
  status = (model: string): Promise<ModelStatus> => this.#get(`/api/models/${part(model)}/status`);
  runs = (query: { model?: string; limit?: number } = {}): Promise<RunSummary[]> => this.#get('/api/runs', query);
  run = (model: string, run: string): Promise<RunDetails> => this.#get(`/api/models/${part(model)}/runs/${part(run)}`);
  curve = (of: { model: string; run: string; metric: string }): Promise<MetricPoint[]> =>
    this.#get(`/api/models/${part(of.model)}/runs/${part(of.run)}/metrics/${part(of.metric)}`);
  versions = (model: string, query: { limit?: number } = {}): Promise<VersionSummary[]> =>
    this.#get(`/api/models/${part(model)}/versions`, query);
  version = (model: string, version: string): Promise<VersionDetails> => this.#get(`/api/models/${part(model)}/versions/${part(version)}`);
  /** The request that a version is smoke-tested with, as Open Inference Protocol JSON. */
  example = (model: string, version: string): Promise<{ inputs: unknown[] }> =>
    this.#get(`/api/models/${part(model)}/versions/${part(version)}/example`);
  /** A file of a version's package, or its signature. */
  packageFile = (of: { model: string; version: string; digest: string }): Promise<Uint8Array> =>
    httpBytes({
      what: 'the control API',
      url: new URL(`/api/models/${part(of.model)}/versions/${part(of.version)}/files/${part(of.digest)}`, this.#url),
      headers: { authorization: `Bearer ${this.#token}` },
    });
  aliases = (model: string): Promise<AliasPeriod[]> => this.#get(`/api/models/${part(model)}/aliases`);
  /** Who was live at a moment of wall time. */
  liveAt = (model: string, at: Date): Promise<LiveAt> => this.#get(`/api/models/${part(model)}/live`, { at: at.toISOString() });
  /** Version behind a URI such as `models:/<name>@champion`, now or (an alias) at a past moment. */
  resolve = (uri: string, at?: Date): Promise<{ model: string; version: string }> =>
    this.#get('/api/resolve', { uri, at: at?.toISOString() });
  rollout = (model: string, query: { version?: string } = {}): Promise<RolloutAnswer> =>
    this.#get(`/api/models/${part(model)}/rollout`, query);
  investigations = (query: { model?: string; version?: string } = {}): Promise<Investigation[]> => this.#get('/api/investigations', query);
  closeInvestigation = (id: string, request: SignedRequest): Promise<Investigation> =>
    this.#send('POST', `/api/investigations/${part(id)}/close`, request);
  policy = (): Promise<Policy> => this.#get('/api/policy');
  changePolicy = (change: Readonly<Record<string, unknown>>, request: SignedRequest & { ticket?: string }): Promise<Policy> =>
    this.#send('PATCH', '/api/policy', { change, ...request });
  policyHistory = (): Promise<PolicyVersion[]> => this.#get('/api/policy/history');
  people = (): Promise<Person[]> => this.#get('/api/people');
  /** Registers a person's Ed25519 public key (PEM); `approver` names the person in the policy too. */
  register = (person: {
    name: string;
    publicKey: string;
    approver?: boolean;
    by: string;
    reason: string;
  }): Promise<{ keyId: string; registered: boolean }> => this.#send('POST', '/api/people', person);
  audit = (query: Query = {}): Promise<AuditRow[]> => this.#get('/api/audit', query);
  verifyAudit = (): Promise<AuditVerdict> => this.#get('/api/audit/verify');
  outbox = (query: { model?: string; waiting?: boolean; limit?: number } = {}): Promise<OutboxMessage[]> => this.#get('/api/outbox', query);
  publish = (definitions: readonly unknown[], request: SignedRequest): Promise<Publication[]> =>
    this.#send('POST', '/api/definitions', { definitions, ...request });
  /** Puts a file (by its path) or bytes into the object store, streamed. The same bytes again are the same object. */
  upload = (source: UploadSource, mediaType: UploadMediaType, onProgress?: UploadProgress): Promise<ObjectRef> =>
    upload(
      { what: 'the control API', url: new URL('/api/objects', this.#url), headers: { authorization: `Bearer ${this.#token}` } },
      { source, mediaType, ...(onProgress === undefined ? {} : { onProgress }) },
    );
  clock = (model: string): Promise<ModelClock> => this.#get(`/api/models/${part(model)}/clock`);
  /**
   * Makes the model's driven clock, or moves it forward. With `fromMs` only from exactly there (`Conflict` when it stands
   * elsewhere); never backwards.
   */
  putClock = (model: string, time: { nowMs: number; fromMs?: number }): Promise<ModelClock> =>
    this.#send('PUT', `/api/models/${part(model)}/clock`, time);
  clockOf = async (model: string): Promise<ClockRef> => (await this.clock(model)).clock;

  #get<T>(path: string, query: Query = {}): Promise<T> {
    const url = new URL(path, this.#url);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    return this.#call({ url });
  }

  #send<T>(method: 'POST' | 'PUT' | 'PATCH', path: string, body: unknown): Promise<T> {
    return this.#call({ url: new URL(path, this.#url), method, body });
  }

  #call<T>(call: Pick<HttpCall, 'url' | 'method' | 'body'>): Promise<T> {
    return httpJson({ what: 'the control API', headers: { authorization: `Bearer ${this.#token}` }, ...call });
  }
}

const part = (text: string): string => encodeURIComponent(text);
