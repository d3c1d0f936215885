import type { Generated } from 'kysely';
import type { Route } from '../../../activities/ports.js';
import type { RolloutOutcome, RolloutResult } from '../../../contracts/rollout.js';
import type { ClockRef } from '../../../domain/clock.js';
import type { RolloutLimits, RolloutPlan } from '../../../domain/rollout-plan.js';
import type { StepEvidence } from '../../../domain/rollout-verdict.js';
import type { JsonColumn, Nullable, NullableJsonColumn, NullableTimeColumn, RequiredTimeColumn, TimeColumn } from '../columns.js';

/** How a model's traffic goes now: one row a model, `generation` grows by compare-and-set. */
export interface RouteTable {
  model: string;
  generation: number;
  variants: JsonColumn<Route['variants']>;
  shadow: Nullable<string>;
  standby: JsonColumn<Route['standby']>;
  salt: string;
  changed_at: TimeColumn;
}

export type RouteChangeKind = 'step' | 'promote' | 'takeBack' | 'rollback';

/** Every generation that ever was, with what made it. (promotion, kind, step) is unique: a retry finds its own effect. */
export interface RouteChangeTable {
  model: string;
  generation: number;
  kind: RouteChangeKind;
  promotion_id: string;
  step_index: Nullable<number>;
  variants: JsonColumn<Route['variants']>;
  shadow: Nullable<string>;
  standby: JsonColumn<Route['standby']>;
  salt: string;
  /** For promote, takeBack and rollback: the version that held the traffic before and the one that holds it after. */
  from_version: Nullable<string>;
  to_version: Nullable<string>;
  changed_by: string;
  reason: string;
  changed_at: TimeColumn;
}

/** A gateway is alive until its lease ends; times are those of the database's clock. */
export interface GatewayTable {
  id: string;
  url: string;
  lease_until: RequiredTimeColumn;
}

/** The newest generation that a gateway has taken up, or has refused with the reason. */
export interface GatewayAckTable {
  gateway: string;
  model: string;
  generation: number;
  refused: Nullable<string>;
  acked_at: TimeColumn;
}

/** One answered or failed prediction. Event time is model time, `at` the wall; both epoch milliseconds. */
export interface CaptureTable {
  id: string;
  model: string;
  version: string;
  shadow: boolean;
  generation: number;
  key: string | null;
  subject: string;
  event_time_ms: number;
  at_ms: number;
  latency_ms: number;
  predicted: number | null;
  error: string | null;
  inputs: JsonColumn<Readonly<Record<string, string | number | boolean | null>>>;
  cached: Generated<boolean>;
}

/** Latencies that one gateway measured of one version within one minute of event time, or many merged; see `activities/latency-ports.ts`. */
export interface LatencySketchTable {
  model: string;
  version: string;
  shadow: boolean;
  /** First minute of event time that it covers, and how many: 1 as a gateway wrote it, 60 or 1440 when merged. */
  event_minute: number;
  span_minutes: Generated<number>;
  gateway: string;
  opened_ms: number;
  first_ms: number;
  last_ms: number;
  requests: number;
  errors: number;
  bins: number[];
  counts: number[];
}

export interface LabelTable {
  model: string;
  subject: string;
  event_time_ms: number;
  value: number;
  labelled_at: TimeColumn;
}

/** `change` numbers grow in the order of commit within a model, so that who follows them misses none. */
export interface OutcomeTable {
  model: string;
  time_ms: number;
  value: number;
  change: number;
}

/** A driven clock: model time that only a driver moves, never backwards. */
export interface ClockTable {
  name: string;
  now_ms: number;
  moved_at: TimeColumn;
}

export interface RolloutTable {
  promotion_id: string;
  model: string;
  version: string;
  champion: Nullable<string>;
  run: Nullable<string>;
  plan: JsonColumn<RolloutPlan>;
  limits: JsonColumn<RolloutLimits>;
  clock: JsonColumn<ClockRef>;
  requested_by: string;
  status: 'running' | RolloutOutcome;
  reason: Nullable<string>;
  result: NullableJsonColumn<RolloutResult>;
  started_at: TimeColumn;
  ended_at: NullableTimeColumn;
}

/** The newest look at each step; `final` when the step was recorded as decided. */
export interface RolloutStepTable {
  promotion_id: string;
  step_index: number;
  evidence: JsonColumn<StepEvidence>;
  /** Model time up to which the evidence reaches. */
  to_ms: number;
  final: boolean;
  looked_at: TimeColumn;
}

/** While one is open, that version is not rolled out again. */
export interface InvestigationTable {
  id: string;
  number: Generated<number>;
  model: string;
  version: string;
  promotion_id: Nullable<string>;
  opened_by: string;
  reason: string;
  opened_at: TimeColumn;
  closed_by: Nullable<string>;
  closing_reason: Nullable<string>;
  closed_at: NullableTimeColumn;
}

/** Tables of migrations 0002, 0003 and 0006. */
export interface ServingTables {
  routes: RouteTable;
  route_changes: RouteChangeTable;
  gateways: GatewayTable;
  gateway_acks: GatewayAckTable;
  captures: CaptureTable;
  latency_sketches: LatencySketchTable;
  labels: LabelTable;
  outcomes: OutcomeTable;
  clocks: ClockTable;
  rollouts: RolloutTable;
  rollout_steps: RolloutStepTable;
  investigations: InvestigationTable;
}
