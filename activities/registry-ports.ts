import type { LifecycleRecord, RegistryActivities } from '../contracts/activities.js';
import type { PackageRef } from '../contracts/artifacts.js';
import type { DecideAnswer } from '../contracts/lifecycle.js';
import type { RetrainInput, RunResult } from '../contracts/retrain.js';
import type { StepProgress } from '../contracts/steps.js';
import type { Trial } from '../contracts/tune.js';
import type { ApprovalRequest, Decision, DecisionEffect, Identity } from '../domain/approval.js';
import type { FeatureDefinition } from '../domain/features.js';
import type { Json } from '../domain/json.js';
import type { ModelDefinition, PublishedDefinition } from '../domain/model-definition.js';
import type { Policy } from '../domain/policy.js';
import type { SemanticVersion, Stage, ApprovalStatus, VersionShape } from '../domain/version.js';
import type { Notice } from './ports.js';

/** What the code of this process is and runs on; it goes into every run. */
export type CodeEnvironment = {
  /** Commit of the platform's code. */
  readonly codeRevision: string;
  /** Digest of what makes a model out of data: feature code and trainers. Another one makes the next version a MINOR one. */
  readonly recipeRevision: string;
  readonly machine: { readonly [key: string]: Json | undefined };
  readonly packages: { readonly [key: string]: Json | undefined };
};

export type Champion = {
  readonly version: string;
  readonly package: PackageRef;
  readonly trainedToMs: number | null;
  readonly shape: VersionShape;
};

export type RunRecord = RetrainInput & {
  readonly environment: CodeEnvironment;
  readonly seeds: { readonly [key: string]: Json | undefined };
};

/** A candidate before it has a number. */
export type VersionDraft = Parameters<RegistryActivities['registerVersion']>[0] & {
  readonly shape: VersionShape;
  readonly features: readonly FeatureDefinition[];
  readonly signature: ModelDefinition['serving'];
  readonly card: string;
  /** The trainer's manifest as it came with the package. */
  readonly manifest: Json;
  readonly notice: (version: SemanticVersion) => Notice | null;
};

/** Definitions, runs and versions. All writes are idempotent by run; each is audited in its own transaction. */
export type RegistryStore = {
  activeDefinition(model: string): Promise<PublishedDefinition | null>;
  definition(model: string, digest: string): Promise<PublishedDefinition | null>;
  /** The policy in force; the default one is made its first version. */
  currentPolicy(): Promise<Policy>;
  champion(model: string): Promise<Champion | null>;
  beginRun(run: RunRecord): Promise<void>;
  recordStep(input: { model: string; run: string; progress: StepProgress }): Promise<void>;
  recordTrial(input: { model: string; run: string; trial: Trial }): Promise<void>;
  /** Numbers the draft by `number` under the model's lock; a run that has a version already keeps it. */
  registerVersion(
    draft: VersionDraft,
    number: (previous: { version: SemanticVersion; shape: VersionShape } | null) => { version: SemanticVersion; changelog: string },
  ): Promise<{ version: SemanticVersion }>;
  endRun(result: RunResult, notice: Notice | null): Promise<void>;
};

/** What a request for approval looks at, read in its own transaction. */
export type ApprovalSubject = {
  readonly policy: Policy;
  readonly packageDigest: string;
  readonly nowMs: number;
  readonly approvalStatus: ApprovalStatus;
  readonly refused: string | null;
};

/** What `requestApproval` writes: the request, and how it was settled when policy decides by itself. */
export type ApprovalDraft = {
  readonly request: Omit<ApprovalRequest, 'status' | 'decisions'>;
  readonly run: string;
  readonly evidence: { readonly [key: string]: unknown };
  readonly policyVersion: number;
  readonly automatic: { readonly reason: string } | null;
  readonly notice: Notice | null;
};

/** What a decision looks at, under the row's lock. Keys are those of the decider that are not revoked. */
export type DecisionSubject = {
  readonly request: ApprovalRequest;
  readonly keys: readonly { readonly keyId: string; readonly publicKey: string }[];
  readonly nowMs: number;
};
/** What it does, with how sure we are of who decided, and the key that proved it. */
export type JudgedDecision = { readonly effect: DecisionEffect; readonly identity: Identity; readonly keyId: string | null };

export type ApprovalStore = {
  /** Row, message and audit in one transaction; a request that exists already is answered as it is. `Conflict` when there is no such version. */
  request(
    input: { model: string; version: string },
    draft: (subject: ApprovalSubject) => ApprovalDraft,
  ): Promise<{ request: ApprovalRequest; settledReason: string | null }>;
  /** Judges under the row's lock and writes what follows, refusals too; the same `requestKey` finds its earlier answer. */
  decide(
    input: { model: string; decision: Decision; requestKey: string | null },
    judge: (subject: DecisionSubject) => JudgedDecision,
  ): Promise<DecideAnswer>;
  settle(input: { model: string; version: string; status: 'expired' | 'superseded'; reason: string }): Promise<ApprovalRequest['status']>;
};

export type AuditInput = {
  readonly model: string;
  readonly action: string;
  readonly by: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly reason: string;
  readonly details?: Record<string, unknown>;
  readonly key?: string;
};

/** What a rollout of a version needs to know of it. */
export type RolloutSubject = {
  readonly definition: ModelDefinition;
  readonly stage: Stage;
  readonly approvalStatus: ApprovalStatus;
  readonly approval: ApprovalRequest['status'] | null;
  readonly refused: string | null;
  readonly risk: ModelDefinition['risk'];
  readonly run: string;
  readonly champion: string | null;
  /** Reason of an open investigation, or null. */
  readonly investigation: string | null;
  readonly earlierRollouts: number;
  /** Promotion id of a rollout of this version that has no end yet. */
  readonly runningRollout: string | null;
};

export type LifecycleStore = {
  load(model: string): Promise<LifecycleRecord>;
  setPaused(input: {
    model: string;
    paused: { by: string; reason: string; atMs: number } | null;
    by: string;
    reason: string;
    key?: string;
  }): Promise<void>;
  audit(entry: AuditInput): Promise<void>;
  /** Null when there is no such version. */
  rolloutSubject(model: string, version: string): Promise<RolloutSubject | null>;
};

export type OutboxStore = {
  /** Takes up to `limit` messages that are due, for `leaseMs`: nobody else sends them meanwhile, and they come back if we die. */
  claim(input: { limit: number; leaseMs: number; model?: string }): Promise<{ notice: Notice; attempts: number }[]>;
  delivered(key: string): Promise<void>;
  failed(input: { key: string; error: string; retryInMs: number }): Promise<void>;
  /** Messages that are not delivered yet. */
  left(model?: string): Promise<number>;
};
