import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PerennialError } from '../../../domain/errors.js';
import type { ImportedDefinition } from '../../../domain/model-definition.js';
import type { Case, Suite, Target } from '../suites.js';
import { askGateway } from './ask-gateway.js';
import { importModel, type ImportWorld } from './import-model.js';
import { definitionNamed, readShown, type Shown } from './page-snippets.js';
import { layExported, runShown } from './python.js';
import { shownModels } from './shown-models.js';

/** Models of other frameworks, imported by the activities of a run, served by the gateway, asked over HTTP. */
export const frameworks: Suite = {
  name: 'frameworks',
  what: 'imported models of scikit-learn, XGBoost, LightGBM, PyTorch, TensorFlow, PaddlePaddle: as the native model answers',
  runs: { kind: 'here', run },
};

type Place = Target & { readonly world: ImportWorld };

async function* run(target: Target): AsyncGenerator<Case, void> {
  assert(target.world !== undefined, 'there is no world to import into');
  const place = { ...target, world: target.world };
  const folder = await mkdtemp(join(tmpdir(), 'perennial-frameworks-'));
  try {
    const shown = await readShown(target.root);
    yield* runShownModels(place, { shown, folder: join(folder, 'shown') });
    yield* runExported(place, { shown, folder: join(folder, 'exported') });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the page shows of frameworks that are small enough to be installed here. */
export async function* runShownModels(
  place: Place,
  { shown, folder, only = () => true }: { shown: Shown; folder: string; only?: (program: string) => boolean },
): AsyncGenerator<Case, void> {
  for (const { what, program, code, definition, madeBy } of shownModels(shown)) {
    if (!only(program)) continue;
    yield await outcomeOf(what, async () => {
      const own = join(folder, definition.name);
      await runShown(place, { folder: own, shown, name: program, code });
      const report = await importModel(place.world, { definition, folder: own });
      assert.match(report.framework, madeBy);
      assert(report.parity !== null && report.parity.values > 0, 'nothing was compared');
      await askGateway(place.http, { model: definition.name, folder: own });
    });
  }
}

/** Files that others exported. */
async function* runExported(place: Place, { shown, folder }: { shown: Shown; folder: string }): AsyncGenerator<Case, void> {
  const laid = await outcomeOf('files that others exported can be laid out', () => layExported(place, { folder, shown }));
  if (laid.outcome === 'failed') {
    yield laid;
    return;
  }
  const all = async (part: string): Promise<string[]> => (await readdir(join(folder, part))).map((name) => join(folder, part, name));
  const serve = async (own: string): Promise<void> => {
    const definition = await definitionFor(shown, own);
    await importModel(place.world, { definition, folder: own });
    await askGateway(place.http, { model: definition.name, folder: own });
  };
  const origins = { silero: 'PyTorch', magika: 'TensorFlow', ocr: 'PaddlePaddle' } as Readonly<Record<string, string>>;
  for (const own of (await all('files')).toSorted())
    yield await outcomeOf(`${origins[basename(own).split('-')[0]!]}: ${basename(own)}`, () => serve(own));
  const refuse =
    (reason: RegExp) =>
    async (own: string): Promise<void> => {
      const importing = importModel(place.world, { definition: await definitionFor(shown, own), folder: own });
      const refused: unknown = await importing.then(
        () => null,
        (error: unknown) => error,
      );
      assert(refused instanceof PerennialError && refused.type === 'ArtifactRejected', `it was not refused: ${String(refused)}`);
      assert.match(refused.message, reason);
    };
  const [layers, brought, old, wild] = [await all('pytorch'), await all('brought-up'), await all('too-old'), await all('not-finite')];
  yield await outcomeOf(`PyTorch: ${layers.length} layers and operators, as recorded when they were exported`, () => each(layers, serve));
  yield await outcomeOf(`PyTorch: ${brought.length} more, whose opset 6 was brought up to 13`, () => each(brought, serve));
  yield await outcomeOf(`PyTorch: ${old.length} files of opset 6 are refused at their import`, () =>
    each(old, refuse(/Could not find an implementation/)),
  );
  yield await outcomeOf('TensorFlow: magika quantized to INT8, whose rows depend on each other, is refused at its import', async () =>
    each(await all('dependent'), refuse(/alone and .+ in a batch/)),
  );
  yield await outcomeOf(`PyTorch: ${wild.length} files that answer NaN are refused at their import`, () => each(wild, refuse(/NaN/)));
}

/** A definition for a file whose callers send its tensors; captures hold its first output. */
async function definitionFor(shown: Shown, folder: string): Promise<ImportedDefinition> {
  const digits = definitionNamed(shown, 'handwritten-digits');
  const { outputs } = JSON.parse(await readFile(join(folder, 'answer.json'), 'utf8')) as { outputs: { name: string }[] };
  const [part = '', name = ''] = folder.split('/').slice(-2);
  return { ...digits, name: `${part}-${name}`, task: 'other', serving: { ...digits.serving, output: { name: outputs[0]!.name } } };
}

async function each(folders: readonly string[], check: (folder: string) => Promise<void>): Promise<void> {
  assert(folders.length > 0, 'there are none');
  for (const folder of folders)
    await check(folder).catch((error: unknown) => {
      throw new Error(`${basename(folder)}: ${(error as Error).message}`, { cause: error });
    });
}

function outcomeOf(name: string, check: () => Promise<void>): Promise<Case> {
  return check().then(
    () => ({ name, outcome: 'passed' }),
    (error: unknown) => ({ name, outcome: 'failed', reason: error instanceof Error ? error.message.slice(0, 1_000) : String(error) }),
  );
}
