import type { PackageRef } from '../contracts/artifacts.js';
import type { RegistryActivities, RunPlan } from '../contracts/activities.js';
import type { RunResult } from '../contracts/retrain.js';
import { PerennialError } from '../domain/errors.js';
import { formatMetric } from '../domain/format.js';
import type { Json } from '../domain/json.js';
import type { ModelDefinition, PublishedDefinition } from '../domain/model-definition.js';
import type { VersionShape } from '../domain/version.js';
import { architectureChanged, nextVersion, versionBump } from '../domain/versioning.js';
import type { Notice, ObjectStore } from './ports.js';
import type { CodeEnvironment, RegistryStore } from './registry-ports.js';
import { shapeOf } from './version-shape.js';

export type RegistryDependencies = {
  readonly registry: RegistryStore;
  readonly objects: ObjectStore;
  readonly environment: CodeEnvironment;
};

/** Definitions, runs and versions in the registry. Every activity may be called twice with the same input. */
export function createRegistryActivities({ registry, objects, environment }: RegistryDependencies): RegistryActivities {
  const definitionOf = async (model: string, digest: string): Promise<ModelDefinition> => {
    const published = await registry.definition(model, digest);
    if (published === null) {
      throw new PerennialError('Conflict', `Definition ${digest} of ${model} is not published. Publish it: ./perennial apply`, {
        details: { model, digest },
      });
    }
    return published.definition;
  };

  return {
    async activeDefinition({ model }): Promise<PublishedDefinition> {
      const published = await registry.activeDefinition(model);
      if (published === null) {
        throw new PerennialError(
          'Conflict',
          `No definition of ${model} is published. Write models/${model}.ts and publish it: ./perennial apply`,
          { details: { model } },
        );
      }
      return published;
    },

    async beginRun(input): Promise<RunPlan> {
      const definition = await definitionOf(input.model, input.definitionDigest);
      await registry.beginRun({ ...input, environment, seeds: { trainer: definition.trainer.seed } });
      const [policy, champion] = await Promise.all([registry.currentPolicy(), registry.champion(input.model)]);
      const shape = shapeOf(definition, environment.recipeRevision);
      return {
        published: { digest: input.definitionDigest, definition },
        policy,
        architectureChanged: champion !== null && shapeChanged(champion.shape, shape),
        champion: champion === null ? null : { version: champion.version, package: champion.package, trainedToMs: champion.trainedToMs },
      };
    },

    recordStep: (input) => registry.recordStep(input),

    recordTrial: (input) => registry.recordTrial(input),

    async registerVersion(input) {
      const definition = await definitionOf(input.model, input.definitionDigest);
      await requireObjects(objects, input);
      const manifest = await fileOf(objects, input.package, 'manifest.json');
      const card = await fileOf(objects, input.package, 'card.md');
      const shape = shapeOf(definition, environment.recipeRevision);
      return await registry.registerVersion(
        {
          ...input,
          shape,
          features: definition.features,
          signature: definition.serving,
          card: card ?? '',
          manifest: manifest === null ? null : parseManifest(manifest, input.package),
          notice: (version) => (input.refused === null ? null : refusedNotice(input, version)),
        },
        (previous) => ({ version: nextVersion(previous, shape), changelog: changelog(previous, shape) }),
      );
    },

    endRun: (result) => registry.endRun(result, result.outcome === 'failed' ? failedNotice(result) : null),
  };
}

const shapeChanged = (before: VersionShape, after: VersionShape): boolean =>
  architectureChanged(before, after) || before.schemaDigest !== after.schemaDigest;

/** A row never points at an object that is not there: each is asked for before the pointer is written. */
async function requireObjects(objects: ObjectStore, input: Parameters<RegistryActivities['registerVersion']>[0]): Promise<void> {
  const { package: packageRef, evaluation, dataset } = input;
  const named = [
    ...packageRef.files.map(({ path, digest }) => ({ what: `package file ${path}`, digest })),
    ...(packageRef.signature === undefined ? [] : [{ what: 'signature', digest: packageRef.signature.digest }]),
    { what: 'evaluation report', digest: evaluation.digest },
    { what: 'data set', digest: dataset.object.digest },
  ];
  const present = await Promise.all(named.map(({ digest }) => objects.has(digest)));
  const absent = named.filter((_, index) => present[index] !== true);
  if (absent.length > 0) {
    const list = absent.map(({ what, digest }) => `${what} (${digest})`).join(', ');
    throw new PerennialError(
      'ArtifactRejected',
      `Run ${input.run} of ${input.model} cannot be registered: the object store lacks ${list}. Train again with --no-cache.`,
      { details: { absent } },
    );
  }
  if (input.refused === null && packageRef.signature === undefined) {
    throw new PerennialError(
      'ArtifactRejected',
      `Run ${input.run} of ${input.model} cannot be registered as fit: its package is not signed.`,
      { details: { package: packageRef.digest } },
    );
  }
}

async function fileOf(objects: ObjectStore, packageRef: PackageRef, path: string): Promise<string | null> {
  const file = packageRef.files.find((candidate) => candidate.path === path);
  return file === undefined ? null : new TextDecoder().decode(await objects.get(file.digest));
}

function parseManifest(text: string, packageRef: PackageRef): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new PerennialError('ArtifactRejected', `manifest.json of package ${packageRef.digest} is not JSON: ${String(cause)}`, { cause });
  }
}

/** What a reader of the version list sees of the difference. */
function changelog(previous: { version: string; shape: VersionShape } | null, shape: VersionShape): string {
  if (previous === null) return 'first version';
  switch (versionBump(previous.shape, shape)) {
    case 'major':
      return `architecture or input schema changed since ${previous.version}`;
    case 'minor':
      return `features, search space or code changed since ${previous.version}`;
    case 'patch':
      return `same definition as ${previous.version}, newer data`;
  }
}

function refusedNotice(input: Parameters<RegistryActivities['registerVersion']>[0], version: string): Notice {
  const figures = input.metrics.map(formatMetric).join(', ');
  return {
    key: `gateRefused:${input.model}:${input.run}`,
    kind: 'gateRefused',
    model: input.model,
    title: `${input.model} ${version} was refused by its gates`,
    text: `Run ${input.run}: ${input.refused}. Measured: ${figures}. The live model stays. See ./perennial show ${input.model} ${version}`,
  };
}

function failedNotice(result: RunResult): Notice {
  return {
    key: `runFailed:${result.model}:${result.run}`,
    kind: 'runFailed',
    model: result.model,
    title: `Run ${result.run} of ${result.model} failed`,
    text: `${result.reason}. The live model stays. See ./perennial runs ${result.model}`,
  };
}
