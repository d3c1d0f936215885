import '../workflows/quiet-runtime.js';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Writable, Readable } from 'node:stream';
import { serve } from '@hono/node-server';
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createApprovalActivities } from '../../activities/approval.activities.js';
import { createClockActivities } from '../../activities/clock.activities.js';
import { createLifecycleActivities } from '../../activities/lifecycle.activities.js';
import { createRegistryActivities } from '../../activities/registry.activities.js';
import { createRolloutActivities } from '../../activities/rollout.activities.js';
import { createTemporalActivities } from '../../activities/temporal.activities.js';
import { verifyDecision } from '../../adapters/keys/decision-signature.js';
import { ensurePersonKey, type PersonKey } from '../../adapters/keys/person-key.js';
import { openFileObjectStore } from '../../adapters/objects/file-object-store.js';
import { createApprovalStore } from '../../adapters/postgres/approval-store.js';
import { openDatabase } from '../../adapters/postgres/database.js';
import { publishDefinitions } from '../../adapters/postgres/definitions.js';
import { createLifecycleStore } from '../../adapters/postgres/lifecycle-store.js';
import { migrate } from '../../adapters/postgres/migrator.js';
import { registerPerson } from '../../adapters/postgres/people.js';
import { createRegistryStore } from '../../adapters/postgres/registry-store.js';
import { createClock } from '../../adapters/postgres/serving/clocks.js';
import { createMeasurement } from '../../adapters/postgres/serving/measurement.js';
import { createRolloutStore } from '../../adapters/postgres/serving/rollout-store.js';
import { createApi } from '../../clients/api/create-api.js';
import { modelClock } from '../../clients/api/model-clock.js';
import { postgresRegistry } from '../../clients/api/registry.js';
import type { UploadMediaType } from '../../clients/api/upload-limits.js';
import { openUploads } from '../../clients/api/uploads.js';
import { runCli } from '../../clients/cli/run-cli.js';
import { LifecycleCommands } from '../../clients/client/lifecycle-commands.js';
import { PerennialClient } from '../../clients/client/perennial-client.js';
import { taskQueues } from '../../contracts/task-queues.js';
import type { ImportedDefinition, TrainedDefinition } from '../../domain/model-definition.js';
import demandForecast from '../../models/demand-forecast.js';
import { reconcileFromRegistry } from '../../schedules/reconcile.js';
import { withWireFailures } from '../../workers/activity-failures.js';
import { openTelemetry } from '../../workers/telemetry.js';
import { freshDatabase } from '../support/postgres.js';
import { freshNamespace } from '../support/temporal.js';
import { freshWorkspace } from '../support/workspace.js';
import { type AllActivities, fakeWorld } from '../workflows/fake-activities.js';
import { workflowBundle } from '../workflows/world.js';
import { fakeCompute } from './fake-compute.js';

export const token = randomBytes(32).toString('base64url');
const plugin = () => openTelemetry({ service: 'test', otlpEndpoint: null });

export type CliRun = { readonly code: number; readonly stdout: string; readonly stderr: string };

/**
 * The control API over the real registry, and real workflows on the real dev server whose data, training and gateways
 * are faked: what a client talks to. Workers run only when they are asked for.
 */
export async function openStack({ withWorker = true, limits }: { withWorker?: boolean; limits?: Record<UploadMediaType, number> } = {}) {
  const { home } = freshWorkspace();
  const temporal = await freshNamespace();
  const database = await openDatabase({ url: await freshDatabase(), applicationName: 'test', acceptForgetfulServer: true });
  await migrate(database.db);
  const objects = await openFileObjectStore(join(home, 'objects'));
  const connection = await Connection.connect({ address: temporal.address });
  const client = new Client({ connection, namespace: temporal.namespace, plugins: [plugin()] });
  const registry = postgresRegistry(database.db);
  const commands = new LifecycleCommands({
    client,
    clockOf: async (model) => (await modelClock(registry, model)).clock,
    answerWithinMs: withWorker ? 20_000 : 1_500,
  });

  let hosts: string[] = [];
  const api = createApi({
    registry,
    commands,
    objects,
    uploads: await openUploads({ objects, folder: join(home, 'uploads'), ...(limits === undefined ? {} : { limits }) }),
    token,
    hosts: () => hosts,
    schedulesChanged: async () => void (await reconcileFromRegistry(client.schedule, registry)),
    log: (line) => console.error(line),
  });
  const { server, port } = await new Promise<{ server: ReturnType<typeof serve>; port: number }>((resolve) => {
    const started = serve({ fetch: api.fetch, hostname: '127.0.0.1', port: 0 }, (address: AddressInfo) =>
      resolve({ server: started, port: address.port }),
    );
  });
  hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const apiUrl = `http://127.0.0.1:${port}`;
  writeFileSync(join(home, 'token'), `${token}\n`, { mode: 0o600 });
  writeFileSync(
    join(home, 'endpoints.json'),
    JSON.stringify({
      temporalAddress: temporal.address,
      temporalNamespace: temporal.namespace,
      temporalUi: 'http://127.0.0.1:8233',
      api: apiUrl,
    }),
  );

  const world = fakeWorld();
  const real = withWireFailures({
    ...createRegistryActivities({
      registry: createRegistryStore(database.db),
      objects,
      environment: { codeRevision: 'abc1234', recipeRevision: 'sha256:recipe', machine: { cores: 2 }, packages: { node: process.version } },
    }),
    ...createApprovalActivities({ approvals: createApprovalStore(database.db), verifyDecision }),
    ...createLifecycleActivities({ lifecycle: createLifecycleStore(database.db) }),
    ...createRolloutActivities({
      store: createRolloutStore(database.db),
      measurement: createMeasurement(database.db),
      clock: createClock(database.db),
      objects,
      verifyPackage: () => Promise.resolve(),
    }),
    ...createClockActivities({ clock: createClock(database.db) }),
    ...createTemporalActivities({ client }),
  });
  const overrides: Partial<AllActivities> = {};
  const activities = {
    ...world.activities,
    ...real,
    ...fakeCompute(objects),
    awaitRoute: world.activities.awaitRoute,
    smokeTest: world.activities.smokeTest,
    watchStep: world.activities.watchStep,
  } as AllActivities;
  const named = Object.fromEntries(
    Object.keys(activities).map((name) => [
      name,
      (input: never) =>
        ((overrides[name as keyof AllActivities] ?? activities[name as keyof AllActivities]) as (input: never) => Promise<unknown>)(input),
    ]),
  );
  const workers = withWorker ? await startWorkers({ ...temporal, activities: named }) : null;

  const environment = (more: Record<string, string> = {}) => ({ PERENNIAL_HOME: home, NO_COLOR: '1', ...more });
  return {
    home,
    temporal,
    client,
    registry,
    objects,
    db: database.db,
    apiUrl,
    api,
    /** What an activity does from now on. */
    override: (change: Partial<AllActivities>) => Object.assign(overrides, change),

    /** Publishes the demand model under a name of its own, changed as asked. */
    async publish(change: Partial<TrainedDefinition> = {}): Promise<TrainedDefinition> {
      const tuning = { ...demandForecast.tuning!, trials: 2 };
      const definition = { ...demandForecast, tuning, name: `m-${randomBytes(4).toString('hex')}`, ...change };
      await publishDefinitions(database.db, { definitions: [definition], by: 'ann' });
      return definition;
    },

    /** Publishes a model whose versions are imported, asked by tensors unless changed. */
    async publishImported(change: Partial<ImportedDefinition> = {}): Promise<ImportedDefinition> {
      const { description, owner, card, labels, approval, rollout } = demandForecast;
      const { quality: _none, ...limits } = rollout.limits;
      const definition: ImportedDefinition = {
        description,
        owner,
        card,
        labels,
        approval,
        name: `i-${randomBytes(4).toString('hex')}`,
        versions: 'imported',
        task: 'classification',
        risk: 'limited',
        serving: { endpointKind: 'realtime', request: [], output: { name: 'probabilities' }, subject: [] },
        features: [],
        gates: [{ kind: 'latency', maxP95Ms: 50 }],
        rollout: { plan: 'blue-green', limits },
        ...change,
      };
      await publishDefinitions(database.db, { definitions: [definition], by: 'ann' });
      return definition;
    },

    /** A registered approver with a key in this home. */
    async approver(name: string): Promise<PersonKey> {
      const key = await ensurePersonKey(join(home, 'keys'), name);
      await registerPerson(database.db, { name, publicKey: key.publicKeyPem, by: 'test', reason: 'test', approver: true });
      return key;
    },

    connect: () =>
      PerennialClient.connect({
        temporalAddress: temporal.address,
        namespace: temporal.namespace,
        apiUrl,
        gatewayUrl: 'http://127.0.0.1:1',
        token,
      }),

    /** Runs `./perennial …` as a program would: no terminal, everything it wrote. */
    async cli(args: readonly string[], { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {}): Promise<CliRun> {
      const out: string[] = [];
      const err: string[] = [];
      const sink = (chunks: string[]) => new Writable({ write: (chunk, _encoding, done) => (chunks.push(String(chunk)), done()) });
      const code = await runCli(args, { env: environment(env), stdout: sink(out), stderr: sink(err), stdin: Readable.from([input]) });
      return { code, stdout: out.join(''), stderr: err.join('') };
    },

    async close() {
      await workers?.close();
      await new Promise((resolve) => server.close(resolve));
      await connection.close();
      await database.close();
    },
  };
}

export type Stack = Awaited<ReturnType<typeof openStack>>;

async function startWorkers({ address, namespace, activities }: { address: string; namespace: string; activities: object }) {
  const connection = await NativeConnection.connect({ address });
  const shared = { connection, namespace, activities, plugins: [plugin()], shutdownGraceTime: 0, maxHeartbeatThrottleInterval: 200 };
  const workers = await Promise.all([
    Worker.create({ ...shared, taskQueue: taskQueues.lifecycle, workflowBundle: await workflowBundle() }),
    Worker.create({ ...shared, taskQueue: taskQueues.cpu }),
  ]);
  const runs = workers.map((worker) => worker.run());
  return {
    async close() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await Promise.allSettled(runs);
      await connection.close();
    },
  };
}
