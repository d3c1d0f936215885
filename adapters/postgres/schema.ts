import type {
  ApprovalTable,
  ApprovalDecisionTable,
  PolicyTable,
  PersonTable,
  AuditTable,
  AuditHeadTable,
  OutboxTable,
  LifecycleTable,
} from './tables/governance.js';
import type {
  DefinitionTable,
  ActiveDefinitionTable,
  DatasetTable,
  RunTable,
  RunStepTable,
  TrialTable,
  RunMetricTable,
  StepCacheTable,
} from './tables/runs.js';
import type { VersionTable, AliasTable, AliasHistoryTable } from './tables/versions.js';
import type { ServingTables } from './serving/schema.js';

export type * from './tables/governance.js';
export type * from './tables/runs.js';
export type * from './tables/versions.js';

export interface RegistryTables {
  definitions: DefinitionTable;
  active_definitions: ActiveDefinitionTable;
  datasets: DatasetTable;
  runs: RunTable;
  run_steps: RunStepTable;
  trials: TrialTable;
  run_metrics: RunMetricTable;
  step_cache: StepCacheTable;
  versions: VersionTable;
  aliases: AliasTable;
  alias_history: AliasHistoryTable;
  approvals: ApprovalTable;
  approval_decisions: ApprovalDecisionTable;
  policies: PolicyTable;
  people: PersonTable;
  audit: AuditTable;
  audit_head: AuditHeadTable;
  outbox: OutboxTable;
  lifecycles: LifecycleTable;
}

/** Every table: the registry's and the serving state's. */
export interface Database extends RegistryTables, ServingTables {}
