import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { afterAll, beforeAll } from 'vitest';
import type { Capture } from '../../activities/ports.js';
import type { RolloutStore } from '../../activities/rollout-ports.js';
import { openDatabase, type Database, type OpenDatabase } from '../../adapters/postgres/database.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { createRolloutStore } from '../../adapters/postgres/serving/rollout-store.js';
import type { RolloutInput } from '../../contracts/rollout.js';
import type { RolloutLimits, RolloutPlan } from '../../domain/rollout-plan.js';
import { freshDatabase } from '../support/postgres.js';
import { addVersion } from '../support/seed-version.js';

export { addVersion };

export const hour = 3_600_000;

/** A migrated database of this test file's own. Call at the top of a test file; `db()` works inside its tests. */
export function servingWorld(): { db(): Kysely<Database>; url(): string; store(): RolloutStore } {
  let url = '';
  let opened: OpenDatabase | undefined;
  beforeAll(async () => {
    url = await freshDatabase();
    opened = await openDatabase({ url, applicationName: 'test', acceptForgetfulServer: true, poolSize: 20 });
    await migrate(opened.db);
  });
  afterAll(() => opened?.close());
  const db = () => {
    if (opened === undefined) throw new Error('the database is opened before the first test');
    return opened.db;
  };
  return { db, url: () => url, store: () => createRolloutStore(db()) };
}

/** A name that no other test of the file uses. */
export const freshModel = (): string => `model-${randomBytes(4).toString('hex')}`;

export const limits: RolloutLimits = {
  maxP95Ms: 200,
  maxP95RatioToChampion: 1.5,
  maxErrorRate: 0.001,
  maxErrorRatioToChampion: 2,
  quality: { metric: 'ape', floor: 0 },
  minRequests: 20,
  minPairs: 3,
};

export const plan: RolloutPlan = {
  name: 'fast',
  version: 1,
  soakMs: 0,
  steps: [
    { kind: 'canary', name: 'canary 5%', share: 0.05, intervalMs: hour, deadlineMs: 48 * hour, maxLoss: 0.4 },
    { kind: 'canary', name: 'canary 50%', share: 0.5, intervalMs: hour, deadlineMs: 48 * hour, maxLoss: 0.15 },
    { kind: 'promote', name: 'promote' },
  ],
};

export function rolloutOf(input: { model: string; version: string; champion: string | null; attempt?: number }): RolloutInput {
  const { model, version, champion, attempt = 1 } = input;
  return {
    model,
    version,
    champion,
    promotionId: `${model}:${version}:${attempt}`,
    run: null,
    plan,
    limits,
    clock: { kind: 'live' },
    requestedBy: 'ann',
  };
}

/** Begins a rollout and promotes it at once; answers its promotion id. */
export async function goLive(
  store: RolloutStore,
  target: { model: string; version: string; champion: string | null; attempt?: number },
): Promise<string> {
  const input = rolloutOf(target);
  await store.begin(input);
  const { model, version, champion, promotionId } = input;
  await store.promote({ model, version, champion, promotionId, by: 'ann', reason: 'test' });
  await store.end({ model, version, promotionId, outcome: 'promoted', reason: 'test', steps: [] });
  return promotionId;
}

/** A model with `1.0.0` live, and further approved versions. */
export async function liveModel(db: Kysely<Database>, ...others: string[]): Promise<string> {
  const model = freshModel();
  for (const version of ['1.0.0', ...others]) await addVersion(db, { model, version });
  await goLive(createRolloutStore(db), { model, version: '1.0.0', champion: null });
  return model;
}

let captures = 0;

export function capture(of: Partial<Capture> & { model: string; version: string }): Capture {
  captures += 1;
  return {
    id: `prediction-${captures}`,
    shadow: false,
    generation: 1,
    key: null,
    subject: `subject-${captures}`,
    eventTimeMs: 0,
    atMs: Date.now(),
    latencyMs: 5,
    predicted: 100,
    error: null,
    inputs: { hour: captures },
    ...of,
  };
}

/** What must hold of a model whatever happened: one champion, live, in Production, and with all or most of the traffic. */
export async function stateOf(db: Kysely<Database>, model: string) {
  const aliases = await db.selectFrom('aliases').select(['alias', 'version']).where('model', '=', model).execute();
  const versions = await db.selectFrom('versions').select(['version', 'stage']).where('model', '=', model).orderBy('version').execute();
  const route = await db.selectFrom('routes').selectAll().where('model', '=', model).executeTakeFirst();
  const holder = (alias: string) => aliases.find((row) => row.alias === alias)?.version ?? null;
  return {
    champion: holder('champion'),
    previous: holder('previous'),
    challenger: holder('challenger'),
    stages: Object.fromEntries(versions.map(({ version, stage }) => [version, stage])),
    variants: route?.variants ?? [],
    shadow: route?.shadow ?? null,
    standby: route?.standby ?? [],
    generation: route?.generation ?? 0,
  };
}
