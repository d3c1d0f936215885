import { join } from 'node:path';
import { localCompute } from '../../../adapters/compute/local.js';
import { ensureToken } from '../../../adapters/keys/api-token.js';
import type { PersonKey } from '../../../adapters/keys/person-key.js';
import type { PerennialError } from '../../../domain/errors.js';
import type { ModelDefinition } from '../../../domain/model-definition.js';
import { writeEndpoints } from '../../../tools/endpoints.mjs';
import { choosePort } from '../../../tools/ports.mjs';
import { readCatalogue } from './catalogue.js';
import { partsOf } from './parts.js';
import { ProcessRecord } from './process-record.js';
import { prepareRegistry } from './registry.js';
import { openPostgres, openTemporal } from './servers.js';
import { SupervisedProcess } from './supervised-process.js';
import type { World } from './world.js';

/** Default port of the gateway's gRPC, which its HTTP port never moves to. */
const preferredGrpcPort = 8601;

/** A running stack: where its parts are, and its end. */
export type Stack = {
  readonly temporalAddress: string;
  readonly temporalUi: string | null;
  readonly databaseUrl: string;
  readonly gatewayUrl: string;
  /** `host:port` of the gateway's gRPC. */
  readonly gatewayGrpc: string;
  readonly apiUrl: string;
  readonly token: string;
  readonly person: PersonKey;
  readonly definitions: readonly ModelDefinition[];
  /** Stops everything that this world started, in order; servers given by a variable stay. */
  stop(): Promise<void>;
  /** Ends the processes at once, without their leave; the servers go on and are adopted by the next `up`. */
  kill(): void;
};

export type StackEvents = {
  /** A line for a person. */
  readonly say: (line: string) => void;
  /** What is going on; null when nothing is. */
  readonly doing: (what: string | null) => void;
  /** A server of the stack died and does not come back: the stack is to be stopped. */
  readonly lost: (error: PerennialError) => void;
};

/**
 * Starts Temporal, Postgres, the workers, the gateway and the API, and waits until each is ready. What a killed `up` left
 * is adopted (the servers) or stopped first (everything else). When a part does not come up, the others are stopped
 * again and the reason is thrown.
 */
export async function startStack(world: World, events: StackEvents): Promise<Stack> {
  const { say, doing } = events;
  const record = new ProcessRecord(world.record);
  record.refuseSecond();
  doing('stopping what an earlier start may have left');
  const leftovers = await record.stopLeftovers();
  if (leftovers.length > 0) say(`stopped what an earlier start left: ${leftovers.join(', ')}`);
  const ends: (() => Promise<void>)[] = [];
  const processes: SupervisedProcess[] = [];
  const stop = async () => {
    await stopAll({ world, processes, ends, doing });
  };
  try {
    const port = (part: Pick<Parameters<typeof choosePort>[0], 'what' | 'preferred' | 'variable' | 'except'>) =>
      choosePort({ ...part, env: world.env, say });
    const gatewayPort = await port({
      what: 'the gateway',
      preferred: 8600,
      variable: 'PERENNIAL_GATEWAY_PORT',
      except: new Set([preferredGrpcPort]),
    });
    const gatewayGrpcPort = await port({
      what: "the gateway's gRPC",
      preferred: preferredGrpcPort,
      variable: 'PERENNIAL_GATEWAY_GRPC_PORT',
      except: new Set([gatewayPort]),
    });
    const apiPort = await port({
      what: 'the control API',
      preferred: 8500,
      variable: 'PERENNIAL_API_PORT',
      except: new Set([gatewayPort, gatewayGrpcPort]),
    });
    doing('starting Temporal and Postgres');
    const [temporal, postgres, definitions, token] = await together([
      openTemporal(world, events).then(keepEnd(ends)),
      openPostgres(world, events).then(keepEnd(ends)),
      readCatalogue(world),
      ensureToken(world.home),
    ]);
    doing('preparing the registry');
    const { person, lines } = await prepareRegistry(world, { databaseUrl: postgres.url, temporalAddress: temporal.address, definitions });
    for (const line of lines) say(line);
    const addresses = {
      databaseUrl: postgres.url,
      temporalAddress: temporal.address,
      temporalUi: temporal.ui,
      gatewayPort,
      gatewayGrpcPort,
      apiPort,
    };
    doing('starting the gateway, the workers and the API');
    for (const part of partsOf(world, addresses)) processes.push(new SupervisedProcess(part, { record, say }));
    await together(processes.map((part) => part.start()));
    const gatewayUrl = `http://127.0.0.1:${gatewayPort}`;
    const gatewayGrpc = `127.0.0.1:${gatewayGrpcPort}`;
    const apiUrl = `http://127.0.0.1:${apiPort}`;
    writeEndpoints(
      {
        temporalAddress: temporal.address,
        temporalNamespace: world.namespace,
        temporalUi: temporal.ui ?? undefined,
        databaseUrl: postgres.url,
        api: apiUrl,
        gateway: gatewayUrl,
        gatewayGrpc,
      },
      world.endpoints,
    );
    return {
      temporalAddress: temporal.address,
      temporalUi: temporal.ui,
      databaseUrl: postgres.url,
      gatewayUrl,
      gatewayGrpc,
      apiUrl,
      token,
      person,
      definitions,
      stop,
      kill: () => {
        for (const part of processes) part.kill();
      },
    };
  } catch (error) {
    doing('stopping what was started');
    await stop();
    throw error;
  } finally {
    doing(null);
  }
}

/** Those who ask end before those who answer: API and gateway (which drains), workers, trainers, Temporal, Postgres. */
async function stopAll({
  world,
  processes,
  ends,
  doing,
}: {
  world: World;
  processes: readonly SupervisedProcess[];
  ends: readonly (() => Promise<void>)[];
  doing: StackEvents['doing'];
}): Promise<void> {
  const isFront = (part: SupervisedProcess) => part.name === 'api' || part.name === 'gateway';
  const stopParts = (isMeant: (part: SupervisedProcess) => boolean) => processes.filter(isMeant).map((part) => part.stop());
  const steps: readonly [string, () => readonly Promise<void>[]][] = [
    ['the gateway answers what it has begun', () => stopParts(isFront)],
    ['the workers hand back their work', () => stopParts((part) => !isFront(part))],
    ['the trainers end', () => [stopTrainers(world)]],
    ['stopping Temporal and Postgres', () => ends.map((end) => end())],
  ];
  // What fails to stop leaves nothing else running.
  const failures: unknown[] = [];
  for (const [what, step] of steps) {
    doing(what);
    for (const one of await Promise.allSettled(step())) if (one.status === 'rejected') failures.push(one.reason);
  }
  doing(null);
  if (failures.length > 0) throw failures[0];
}

/** Trainers outlive their worker on purpose; the end of the stack is theirs too. */
async function stopTrainers(world: World): Promise<void> {
  const noObjects = { getFile: () => Promise.reject(new Error('nothing is started here')) };
  const trainersFolder = join(world.root, 'trainers');
  await localCompute({ home: world.home, python: world.python, trainersFolder, objects: noObjects }).stopAll();
}

/** As `Promise.all`, but waits for all of them: nothing may still be starting when the rest is stopped. */
async function together<T extends readonly unknown[]>(work: { [Index in keyof T]: Promise<T[Index]> }): Promise<T> {
  const settled = await Promise.allSettled(work);
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : undefined)) as unknown as T;
}

function keepEnd<T extends { stop(): Promise<void> }>(ends: (() => Promise<void>)[]): (server: T) => T {
  return (server) => {
    ends.push(() => server.stop());
    return server;
  };
}
