import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import type { PackageVerifier, ObjectStore } from '../activities/ports.js';
import type { CodeEnvironment } from '../activities/registry-ports.js';
import { trainersDigest } from '../adapters/compute/trainers-digest.js';
import { ensureSigningKey } from '../adapters/keys/signing-key.js';
import { openObjectStore } from '../adapters/objects/open-object-store.js';
import { type OpenDatabase, openDatabase } from '../adapters/postgres/database.js';
import { createPackageVerifier } from '../adapters/signing/package-verifier.js';
import type { Config } from './config.js';

/** What nearly every process opens first. */
export type Stores = { readonly database: OpenDatabase; readonly objects: ObjectStore; readonly verifier: PackageVerifier };

export async function openStores(config: Config, part: string, { mayBeAway = false }: { mayBeAway?: boolean } = {}): Promise<Stores> {
  await mkdir(config.home, { recursive: true });
  const { location, ...s3 } = config.objects;
  const [database, objects, verifier] = await Promise.all([
    openDatabase({ url: config.databaseUrl, applicationName: `perennial-${part}`, mayBeAway }),
    openObjectStore({ location, ...s3 }),
    openVerifier(config),
  ]);
  return { database, objects, verifier };
}

async function openVerifier(config: Config): Promise<PackageVerifier> {
  const trustedKeys =
    config.trustedKeyFiles.length > 0
      ? await Promise.all(config.trustedKeyFiles.map((file) => readFile(file, 'utf8')))
      : [(await ensureSigningKey(config.keysFolder)).publicKeyPem];
  return createPackageVerifier({ trustedKeys });
}

/** Raised by whoever changes what `domain/feature-computation.ts` answers for the same rows: the next versions are MINOR ones then. */
const featureCode = 1;

/** What this code is and runs on; it goes into every run's record. */
export async function codeEnvironment(config: Config): Promise<CodeEnvironment> {
  return {
    codeRevision: config.codeRevision,
    recipeRevision: createHash('sha256')
      .update(`${await trainersDigest(config.trainersFolder)}\n${featureCode}`)
      .digest('hex'),
    machine: {
      platform: platform(),
      arch: arch(),
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      memoryBytes: totalmem(),
    },
    packages: { node: process.version },
  };
}
