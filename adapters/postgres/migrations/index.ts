import type { Migration } from 'kysely';
import * as registry from './0001-registry.js';
import * as serving from './0002-serving.js';
import * as latencySketches from './0003-latency-sketches.js';
import * as candidateMetrics from './0004-candidate-metrics.js';
import * as cachedCaptures from './0005-cached-captures.js';
import * as upkeep from './0006-upkeep.js';
import * as importedVersions from './0007-imported-versions.js';

/** Every migration by name, in order. A migration that was released is never changed. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-registry': registry,
  '0002-serving': serving,
  '0003-latency-sketches': latencySketches,
  '0004-candidate-metrics': candidateMetrics,
  '0005-cached-captures': cachedCaptures,
  '0006-upkeep': upkeep,
  '0007-imported-versions': importedVersions,
};
