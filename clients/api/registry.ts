import type { Kysely } from 'kysely';
import { appendAudit, type AuditEntry } from '../../adapters/postgres/audit-log.js';
import { type AuditFilter, auditTrail, verifyAudit } from '../../adapters/postgres/audit-queries.js';
import { type Database, inTransaction } from '../../adapters/postgres/database.js';
import { activeDefinition, activeDefinitions, publishDefinitions } from '../../adapters/postgres/definitions.js';
import { aliasHistory, championAt, resolveUri } from '../../adapters/postgres/model-uri.js';
import { listPeople, type Registration, registerPerson } from '../../adapters/postgres/people.js';
import { currentPolicy, editPolicy, policyHistory } from '../../adapters/postgres/policies.js';
import { listModels, modelStatus } from '../../adapters/postgres/registry-queries.js';
import { listRuns, metricCurve, showRun } from '../../adapters/postgres/run-queries.js';
import { advanceDrivenClock, createDrivenClock } from '../../adapters/postgres/serving/clocks.js';
import { closeInvestigation, openInvestigations } from '../../adapters/postgres/serving/investigations.js';
import { newestRollout } from '../../adapters/postgres/serving/rollout-queries.js';
import { listVersions, showVersion } from '../../adapters/postgres/version-queries.js';
import type { ModelDefinition } from '../../domain/model-definition.js';
import type { PolicyChange } from '../../domain/policy-rules.js';
import { listOutbox } from './outbox-list.js';

type Signed = { readonly by: string; readonly reason: string; readonly ticket?: string };

/** What the control API asks of the registry in Postgres: the one place of the clients that knows how it is stored. */
export type ApiRegistry = ReturnType<typeof postgresRegistry>;

export function postgresRegistry(db: Kysely<Database>) {
  return {
    models: () => listModels(db),
    modelNames: async () => {
      const rows = await db.selectFrom('active_definitions').select('model').orderBy('model').execute();
      return rows.map(({ model }) => model);
    },
    /** The active definition of every model. */
    definitions: () => activeDefinitions(db),
    definition: (model: string) => activeDefinition(db, model),
    status: (model: string) => modelStatus(db, model),
    runs: (filter: { model?: string; limit?: number }) => listRuns(db, filter),
    run: (of: { model: string; run: string }) => showRun(db, of),
    curve: (of: { model: string; run: string; name: string }) => metricCurve(db, of),
    versions: (filter: { model: string; limit?: number }) => listVersions(db, filter),
    version: (of: { model: string; version: string }) => showVersion(db, of),
    resolve: (uri: string, atMs?: number) => resolveUri(db, uri, atMs === undefined ? {} : { atMs }),
    championAt: (model: string, atMs: number) => championAt(db, model, atMs),
    aliasHistory: (model: string) => aliasHistory(db, model),
    rollout: (filter: { model: string; version?: string }) => newestRollout(db, filter),
    investigations: (filter: { model?: string; version?: string }) => openInvestigations(db, filter),
    closeInvestigation: (input: { id: string } & Signed) => closeInvestigation(db, input),
    policy: () => currentPolicy(db),
    changePolicy: (change: PolicyChange, by: Signed) => editPolicy(db, { change, ...by }),
    policyHistory: () => policyHistory(db),
    people: () => listPeople(db),
    register: (input: Registration) => registerPerson(db, input),
    audit: (filter: AuditFilter) => auditTrail(db, filter),
    verifyAudit: () => verifyAudit(db),
    writeAudit: async (entry: AuditEntry) => {
      await inTransaction(db, (trx) => appendAudit(trx, entry));
    },
    outbox: (filter: { model?: string; waiting?: boolean; limit?: number }) => listOutbox(db, filter),
    publish: (definitions: readonly ModelDefinition[], by: Omit<Signed, 'ticket'>) => publishDefinitions(db, { definitions, ...by }),
    /** Where the model's driven clock stands; null when it is on the live one. */
    drivenClock: async (model: string) => {
      const row = await db.selectFrom('clocks').select('now_ms').where('name', '=', model).executeTakeFirst();
      return row?.now_ms ?? null;
    },
    createClock: (of: { name: string; nowMs: number }) => createDrivenClock(db, of),
    advanceClock: (of: { name: string; fromMs: number; toMs: number }) => advanceDrivenClock(db, of),
  };
}
