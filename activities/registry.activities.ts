import type { PackageRef } from '../contracts/artifacts.js';
import type { RegistryActivities, RunPlan } from '../contracts/activities.js';
import type { RunResult } from '../contracts/retrain.js';
import { PerennialError } from '../domain/errors.js';
import { formatMetric } from '../domain/format.js';
import type { Json } from '../domain/json.js';
import { isImported, type ModelDefinition, type PublishedDefinition } from '../domain/model-definition.js';
import type { VersionShape } from '../domain/version.js';
import { nextVersion, shapeChanged, versionBump } from '../domain/versioning.js';
import type { Notice, ObjectStore } from './ports.js';
import type { CodeEnvironment, RegistryStore, RunRecord } from './registry-ports.js';
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
      const seeds: RunRecord['seeds'] = isImported(definition) ? {} : { trainer: definition.trainer.seed };
      await registry.beginRun({ ...input, environment, seeds });
      const [policy, champion] = await Promise.all([registry.currentPolicy(), registry.champion(input.model)]);
      return {
        published: { digest: input.definitionDigest, definition },
        policy,
        // An imported version's shape is known when its file was looked at.
        architectureChanged:
          champion !== null && !isImported(definition) && shapeChanged(champion.shape, shapeOf(definition, environment.recipeRevision)),
        champion,
      };
    },

    recordStep: (input) => registry.recordStep(input),

    recordTrial: (input) => registry.recordTrial(input),

    async registerVersion(input) {
      const definition = await definitionOf(input.model, input.definitionDigest);
      await requireObjects(objects, input);
      const manifest = await fileOf(objects, input.package, 'manifest.json');
      const card = await fileOf(objects, input.package, 'card.md');
      const shape = isImported(definition) ? shapeOfImport(input) : shapeOf(definition, environment.recipeRevision);
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
        (previous) => ({ version: nextVersion(previous, shape), changelog: changelog(previous, { shape, framework: input.framework }) }),
      );
    },

    endRun: (result) => registry.endRun(result, result.outcome === 'failed' ? failedNotice(result) : null),
  };
}

function shapeOfImport({ model, run, shape }: Parameters<RegistryActivities['registerVersion']>[0]): VersionShape {
  if (shape !== undefined) return shape;
  throw new PerennialError(
    'Conflict',
    `Run ${run} of ${model} cannot be registered: the definition says that versions are imported, and this run imported none.`,
  );
}

/** A row never points at an object that is not there: each is asked for before the pointer is written. */
async function requireObjects(objects: ObjectStore, input: Parameters<RegistryActivities['registerVersion']>[0]): Promise<void> {
  const { package: packageRef, evaluation, dataset } = input;
  const named = [
    ...packageRef.files.map(({ path, digest }) => ({ what: `package file ${path}`, digest })),
    ...(packageRef.signature === undefined ? [] : [{ what: 'signature', digest: packageRef.signature.digest }]),
    { what: 'evaluation report', digest: evaluation.digest },
    ...(dataset === null ? [] : [{ what: 'data set', digest: dataset.object.digest }]),
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
function changelog(
  previous: { version: string; shape: VersionShape } | null,
  { shape, framework }: { shape: VersionShape; framework: string | undefined },
): string {
  if (framework !== undefined) return importedChangelog(previous, shape, framework);
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

function importedChangelog(previous: { version: string; shape: VersionShape } | null, shape: VersionShape, framework: string): string {
  const imported = `imported from ${framework.trim()}`;
  if (previous === null) return `first version, ${imported}`;
  switch (versionBump(previous.shape, shape)) {
    case 'major':
      return `${imported}; takes or answers other tensors than ${previous.version}, or is another kind of model`;
    case 'minor':
      return `${imported}; another framework or other features than ${previous.version}`;
    case 'patch':
      return `${imported}; takes and answers what ${previous.version} does`;
  }
}

function refusedNotice(input: Parameters<RegistryActivities['registerVersion']>[0], version: string): Notice {
  const figures = input.metrics.length === 0 ? 'no metric' : input.metrics.map(formatMetric).join(', ');
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
