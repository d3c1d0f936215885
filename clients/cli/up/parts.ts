import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessSpec } from './supervised-process.js';
import type { World } from './world.js';

export type Addresses = {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalUi: string | null;
  readonly gatewayPort: number;
  readonly gatewayGrpcPort: number;
  readonly apiPort: number;
};

/** Work on a worker is handed back within ten seconds of its end; the gateway drains as long. */
const graceMs = 15_000;

const programs = [
  { name: 'gateway', program: 'workers/gateway.js' },
  { name: 'lifecycle worker', program: 'workers/lifecycle.worker.js' },
  { name: 'cpu worker', program: 'workers/cpu.worker.js' },
  { name: 'api', program: 'workers/api.js' },
] as const;

export type PartName = (typeof programs)[number]['name'];

/** The processes of the stack beside the servers. */
export function partsOf(world: World, addresses: Addresses): (ProcessSpec & { name: PartName })[] {
  const env = environmentOf(world, addresses);
  return programs
    .map(({ name, program }) => ({
      name,
      program: join(world.build, program),
      env,
      cwd: world.root,
      logFile: join(world.logs, `${name.replaceAll(' ', '-')}.log`),
      graceMs,
    }))
    .filter(({ program }) => existsSync(program));
}

function environmentOf(world: World, addresses: Addresses): NodeJS.ProcessEnv {
  return {
    ...world.env,
    PERENNIAL_HOME: world.home,
    PERENNIAL_TOOLS: world.tools,
    PERENNIAL_TRAINERS: join(world.root, 'trainers'),
    PERENNIAL_WORKFLOW_BUNDLE: join(world.build, 'workflow-bundle.js'),
    PERENNIAL_CODE_REVISION: world.env['PERENNIAL_CODE_REVISION'] ?? codeRevision(world.root),
    // There is no GPU worker beside the CPU worker here.
    PERENNIAL_POLL_GPU: '1',
    DATABASE_URL: addresses.databaseUrl,
    TEMPORAL_ADDRESS: addresses.temporalAddress,
    TEMPORAL_NAMESPACE: world.namespace,
    ...(addresses.temporalUi === null ? {} : { PERENNIAL_TEMPORAL_UI: addresses.temporalUi }),
    PERENNIAL_GATEWAY_PORT: String(addresses.gatewayPort),
    PERENNIAL_GATEWAY_GRPC_PORT: String(addresses.gatewayGrpcPort),
    PERENNIAL_API_PORT: String(addresses.apiPort),
  };
}

function codeRevision(root: string): string {
  const { stdout, status } = spawnSync('git', ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? stdout.trim() : 'unknown';
}
