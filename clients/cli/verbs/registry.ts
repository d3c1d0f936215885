import type { Command } from 'commander';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import type { ApiClient } from '../../client/api-client.js';
import type { CliContext } from '../context.js';
import { importedFacts, versionCommand } from '../imported-facts.js';
import { countOption, momentHelp, momentOption } from '../options.js';
import { ago, metricCell, outcomeText } from '../output/figures.js';
import { runLines, versionLines } from '../output/record-lines.js';
import { examples, verb } from '../verb.js';

const defaultRuns = 20;

/** `runs`, `versions` and `show`: what the registry keeps. */
export function registerRegistry(program: Command, context: CliContext): void {
  registerRuns(program, context);
  registerVersions(program, context);
  registerShow(program, context);
}

function registerRuns(program: Command, context: CliContext): void {
  const command = program
    .command('runs [model] [run]')
    .description('runs, newest first; or one run with its steps and trials')
    .option('-n, --limit <count>', 'most runs', countOption, defaultRuns)
    .addHelpText('after', examples('runs demand-forecast', 'runs demand-forecast 2011-11-01t02-2'));
  verb<{ limit: number }>(command, context, async ({ out, args: [model, run], options: { limit } }) => {
    const api = context.api();
    const canvas = { style: out.style, width: out.live ? out.width : Infinity };
    if (model !== undefined && run !== undefined) {
      const details = await api.run(model, run);
      return out.answer(details, () => out.lines(runLines(details, context.workflowLink(`retrain:${model}:${run}`), canvas)));
    }
    const runs = await api.runs({ limit, ...(model === undefined ? {} : { model }) });
    const begin = runs.length > 0 ? '' : await firstVersion(api, model);
    out.answer(runs, () => {
      if (runs.length === 0) return out.line(`No run yet. ${begin}`);
      const rows = runs.map((one) => [
        one.model,
        one.run,
        formatTime(one.asOfMs),
        one.trigger,
        one.version ?? '-',
        outcomeText(one.outcome, out.style),
        ago(one.startedAtMs),
        one.outcomeReason ?? one.reason,
      ]);
      out.table(
        ['model', 'run', 'as of', 'trigger', 'version', 'outcome', 'started', 'why'].map((title) => ({ title })),
        rows,
      );
    });
  });
}

function registerVersions(program: Command, context: CliContext): void {
  const command = program
    .command('versions <model>')
    .description('versions of a model, refused ones too; with --at who was live then')
    .option('--at <time>', `who was live at this moment of wall time: ${momentHelp}`, momentOption)
    .addHelpText('after', examples('versions demand-forecast', 'versions demand-forecast --at 2026-11-21T09:30Z'));
  verb<{ at?: number }>(command, context, async ({ out, args: [model = ''], options: { at } }) => {
    const api = context.api();
    if (at !== undefined) {
      const live = await api.liveAt(model, new Date(at));
      return out.answer(live, () =>
        out.line(
          live.version === null
            ? `Nothing of ${model} was live at ${formatTime(at)}.`
            : `${model} ${live.version} was live at ${formatTime(at)}.`,
        ),
      );
    }
    const versions = await api.versions(model);
    const begin = versions.length > 0 ? '' : await firstVersion(api, model);
    out.answer(versions, () => {
      if (versions.length === 0) return out.line(`${model} has no version yet. ${begin}`);
      const rows = versions.map((one) => [
        one.version,
        one.aliases.length === 0 ? '-' : out.style.good(one.aliases.join(', ')),
        one.stage,
        one.approval,
        one.risk,
        metricCell(one.metrics),
        one.trainedToMs === null ? '-' : formatTime(one.trainedToMs),
        ago(one.createdAtMs),
        one.refused ?? '',
      ]);
      out.table(
        ['version', 'alias', 'stage', 'approval', 'risk', 'metrics', 'trained up to', 'made', 'refused'].map((title) => ({ title })),
        rows,
      );
    });
  });
}

function registerShow(program: Command, context: CliContext): void {
  const command = program
    .command('show <model-or-uri> [version]')
    .description(
      'everything about a version, with its evidence: figures, gates, approval, rollouts, history, audit; without a version the live one',
    )
    .option('--card', 'the model card alone')
    .addHelpText('after', examples('show models:/demand-forecast@champion', 'show demand-forecast 1.0.1', 'show demand-forecast --card'));
  verb<{ card?: boolean }>(command, context, async ({ out, args: [name = '', version], options: { card } }) => {
    const api = context.api();
    const of = await namedVersion(context, name, version);
    const details = await api.version(of.model, of.version);
    if (card === true) return out.answer(details, () => out.line(details.card));
    const imported = await importedFacts(api, details);
    out.answer(imported === null ? details : { ...details, imported }, () =>
      out.lines(versionLines(details, imported, { style: out.style, width: out.live ? out.width : Infinity })),
    );
  });
}

/** The version meant by a URI, by a name and a number, or by a name alone: the champion, else the newest. */
export async function namedVersion(
  context: CliContext,
  name: string,
  version: string | undefined,
): Promise<{ model: string; version: string }> {
  const api = context.api();
  if (name.startsWith('models:/')) {
    if (version !== undefined) throw new PerennialError('DataInvalid', `${name} names a version already; leave out ${version}.`);
    return await api.resolve(name);
  }
  if (version !== undefined) return { model: name, version };
  const { aliases } = await api.status(name);
  if (aliases.champion !== undefined) return { model: name, version: aliases.champion };
  const [newest] = await api.versions(name, { limit: 1 });
  if (newest !== undefined) return newest;
  throw new PerennialError('Conflict', `${name} has no version yet. ${await firstVersion(api, name)}`);
}

async function firstVersion(api: ApiClient, model: string | undefined): Promise<string> {
  return model === undefined ? 'Start one: ./perennial train <model>' : versionCommand((await api.model(model)).definition);
}
