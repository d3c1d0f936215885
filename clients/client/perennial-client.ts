import type { Client, ClientOptions } from '@temporalio/client';
import type { DecideAnswer, RetrainAnswer, RetrainRequest } from '../../contracts/lifecycle.js';
import type { RunResult } from '../../contracts/retrain.js';
import type { CommandAnswer, RolloutCommand } from '../../contracts/rollout.js';
import type { Decision } from '../../domain/approval.js';
import { isImported, wrongKind } from '../../domain/model-definition.js';
import type { ModelStatus } from '../api/answers.js';
import { ApiClient } from './api-client.js';
import { connectTemporal } from './connect-temporal.js';
import { inputsOf, type InferenceInput, predict, type PredictOptions, type Prediction, type Row } from './gateway-client.js';
import { type ImportFiles, uploadImport } from './import-model.js';
import { LifecycleCommands, type RolloutAction } from './lifecycle-commands.js';
import { type RunWatch, waitForRun } from './wait-for-run.js';

export type PerennialClientOptions = {
  /** host:port of Temporal's gRPC frontend. */
  readonly temporalAddress: string;
  /** Default `default`. */
  readonly namespace?: string;
  /** URL of the control API. */
  readonly apiUrl: string;
  /** URL of the gateway's REST port. */
  readonly gatewayUrl: string;
  /** The control API's token. */
  readonly token: string;
  /** A key of the gateway; the token when left out. */
  readonly gatewayKey?: string;
  /** Variables in which a Temporal profile, TLS or an API key may be given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly plugins?: ClientOptions['plugins'];
};

export type StartRetrain = Omit<RetrainRequest, 'asOf'> & {
  /** Model time that the run sees; the model's clock when absent. */
  readonly asOf?: Date;
};

export type ImportModel = ImportFiles & {
  readonly by: string;
  readonly reason: string;
  /** The same id again answers the same and starts no second run. */
  readonly requestId?: string;
};

/**
 * Perennial for other services. Commands go to the model's lifecycle in Temporal, questions to the control API,
 * predictions to the gateway. A refusal is an answer with its reason; a `PerennialError` is thrown when something is
 * away (`Unavailable`), unknown (`Conflict`) or malformed (`DataInvalid`).
 */
export class PerennialClient {
  readonly api: ApiClient;
  readonly commands: LifecycleCommands;
  readonly temporal: Client;
  readonly #gatewayUrl: string;
  readonly #gatewayKey: string;
  readonly #close: () => Promise<void>;

  private constructor(parts: { api: ApiClient; temporal: Client; gatewayUrl: string; gatewayKey: string; close: () => Promise<void> }) {
    this.api = parts.api;
    this.temporal = parts.temporal;
    this.commands = new LifecycleCommands({ client: parts.temporal, clockOf: parts.api.clockOf });
    this.#gatewayUrl = parts.gatewayUrl;
    this.#gatewayKey = parts.gatewayKey;
    this.#close = parts.close;
  }

  /** Connects to Temporal; API and gateway are reached at the first question. */
  static async connect(options: PerennialClientOptions): Promise<PerennialClient> {
    const { temporalAddress: address, namespace = 'default', env, plugins } = options;
    const { client, close } = await connectTemporal({
      address,
      namespace,
      ...(env === undefined ? {} : { env }),
      ...(plugins === undefined ? {} : { plugins }),
    });
    const { gatewayUrl, gatewayKey = options.token } = options;
    return new PerennialClient({ api: new ApiClient(options), temporal: client, gatewayUrl, gatewayKey, close });
  }

  /** Asks for a run: it starts, queues behind the one that trains, is a duplicate, or is refused with the reason. */
  startRetrain(model: string, { asOf, ...request }: StartRetrain): Promise<RetrainAnswer> {
    return this.commands.retrain(model, { ...request, ...(asOf === undefined ? {} : { asOf: asOf.getTime() }) });
  }

  /**
   * Brings a file from elsewhere as the next version of a model whose versions are imported: uploads it, then asks for a run
   * that checks, packages and registers it, as `startRetrain` does. A repeated call with the same `requestId` sends the bytes
   * again, which are the same object, and makes one run.
   */
  async importModel(model: string, { by, reason, requestId, ...files }: ImportModel): Promise<RetrainAnswer> {
    const { definition } = await this.api.model(model);
    // Before gigabytes are sent for nothing.
    if (!isImported(definition)) return { kind: 'refused', reason: wrongKind(definition) };
    const imported = await uploadImport(this.api, files);
    return await this.startRetrain(model, { by, reason, imported, ...(requestId === undefined ? {} : { requestId }) });
  }

  /** Approves or rejects a version that waits for it. */
  decide(model: string, decision: Decision): Promise<DecideAnswer> {
    return this.commands.decide(model, decision);
  }

  /** Takes traffic back at once: from a running rollout to the champion, else from the champion to the version before it. */
  rollback(model: string, request: { by: string; reason: string; requestId?: string }): Promise<CommandAnswer> {
    return this.commands.rollback(model, request);
  }

  pause(model: string, request: { by: string; reason: string; requestId?: string }): Promise<CommandAnswer> {
    return this.commands.pause(model, request);
  }

  resume(model: string, request: { by: string; reason: string; requestId?: string }): Promise<CommandAnswer> {
    return this.commands.resume(model, request);
  }

  /** Starts the rollout of an approved version, for instance after its investigation was closed. */
  promote(model: string, request: { version: string; by: string; reason: string; requestId?: string }): Promise<CommandAnswer> {
    return this.commands.promote(model, request);
  }

  /** Promotes, aborts or lets go on the rollout that runs now. */
  rolloutAction(of: { model: string; version: string }, action: RolloutAction, command: RolloutCommand): Promise<CommandAnswer> {
    return this.commands.rollout(of, action, command);
  }

  status(model: string): Promise<ModelStatus> {
    return this.api.status(model);
  }

  /** Asks the model about rows, or sends Open Inference Protocol inputs as they are. */
  async predict(
    model: string,
    question: readonly Row[] | { readonly inputs: readonly InferenceInput[] },
    options: PredictOptions = {},
  ): Promise<Prediction> {
    const inputs = 'inputs' in question ? question.inputs : inputsOf((await this.api.model(model)).definition.serving.request, question);
    return await predict(this.#gatewayUrl, model, { inputs, token: this.#gatewayKey, ...options });
  }

  /**
   * Waits until a run (by its workflow id) has ended; its result, also of one that failed for technical reasons
   * (`outcome` is `failed` then).
   */
  async waitForRun(workflowId: string, onProgress?: (seen: RunWatch) => void): Promise<RunResult> {
    const end = await waitForRun(this.temporal, workflowId, onProgress);
    if (end.kind === 'result') return end.result;
    const [, model = '', run = ''] = workflowId.split(':');
    const recorded = await this.api.run(model, run).then(
      (details) => details.result,
      () => null,
    );
    return recorded ?? failed(model, run, end.reason);
  }

  async close(): Promise<void> {
    await this.#close();
  }
}

/** What is known of a run that failed before it could leave its record. */
const failed = (model: string, run: string, reason: string): RunResult => ({
  run,
  model,
  version: null,
  outcome: 'failed',
  reason,
  metrics: [],
  championMetrics: [],
  gates: [],
  package: null,
  rollout: null,
  steps: [],
  seconds: 0,
});
