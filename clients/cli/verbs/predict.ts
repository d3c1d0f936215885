import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { PerennialError } from '../../../domain/errors.js';
import { formatCount, formatNumber } from '../../../domain/format.js';
import { inputsOf, type InferenceInput, predict, type Row } from '../../client/gateway-client.js';
import type { CliContext } from '../context.js';
import { versionCommand } from '../imported-facts.js';
import { filledOption } from '../options.js';
import { requestFields } from '../request-fields.js';
import { examples, verb } from '../verb.js';

type Options = { readonly input?: string; readonly key?: string; readonly version?: string };
type Question = { readonly inputs: readonly InferenceInput[]; readonly source: string };

/** `predict`: asks the gateway, with the version's own example when nothing is given. */
export function registerPredict(program: Command, context: CliContext): void {
  const command = program
    .command('predict <model>')
    .description('ask the live model; without --input with the example of its package')
    .option('-i, --input <json>', 'a row {"hour":…}, rows […], or {"inputs":[…]}; - reads stdin, @file a file')
    .option('-k, --key <key>', 'sticky key of the caller: the same key meets the same variant', filledOption)
    .option('--version <version>', 'this version, whatever the routing says', filledOption)
    .addHelpText('after', examples('predict demand-forecast', 'predict demand-forecast --input @row.json --key station-17'));
  verb<Options>(command, context, async ({ out, args: [model = ''], options }) => {
    const { inputs, source } = await question(context, model, options);
    const url = context.gatewayUrl();
    const token = context.gatewayToken();
    const answer = await predict(url, model, {
      inputs,
      ...(token === undefined ? {} : { token }),
      ...(options.key === undefined ? {} : { key: options.key }),
      ...(options.version === undefined ? {} : { version: options.version }),
    });
    out.answer(answer, () => {
      out.line(`${out.style.bold(`${answer.model} ${answer.version}`)} answers ${source}:`);
      const rows = answer.ids.map((id, row) => [
        ...inputs.map(({ data }) => rowText(data, row, { rows: answer.ids.length })),
        ...answer.outputs.map(({ data }) => out.style.bold(rowText(data, row, { rows: answer.ids.length, show: formatted }))),
        id,
      ]);
      out.table(
        [
          ...inputs.map(({ name }) => ({ title: name, right: true })),
          ...answer.outputs.map(({ name }) => ({ title: name, right: true })),
          { title: 'id' },
        ],
        rows,
      );
      out.line(out.style.dim(`POST ${url}/v2/models/${model}/infer; a label goes to …/labels with the id`));
    });
  });
}

async function question(context: CliContext, model: string, { input, version }: Options): Promise<Question> {
  if (input === undefined) {
    const api = context.api();
    const of = version ?? (await api.status(model)).aliases.champion;
    if (of === undefined)
      throw new PerennialError(
        'Conflict',
        `Nothing of ${model} is live yet. ${versionCommand((await api.model(model)).definition)} --wait`,
      );
    return { inputs: (await api.example(model, of)).inputs as InferenceInput[], source: `the example of ${of}` };
  }
  const given = parsed(await read(context, input));
  if (typeof given === 'object' && given !== null && 'inputs' in given)
    return { inputs: given.inputs as InferenceInput[], source: 'the request' };
  const fields = await requestFields(context, model);
  const rows = (Array.isArray(given) ? given : [given]) as Row[];
  return { inputs: inputsOf(fields, rows), source: rows.length === 1 ? 'the row' : `${rows.length} rows` };
}

async function read({ io }: CliContext, input: string): Promise<string> {
  if (input === '-') return await text(io.stdin);
  if (!input.startsWith('@')) return input;
  try {
    return await readFile(input.slice(1), 'utf8');
  } catch (cause) {
    throw new PerennialError('DataInvalid', `The input file ${input.slice(1)} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function parsed(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value;
  } catch (cause) {
    throw new PerennialError(
      'DataInvalid',
      `The input is no JSON: ${(cause as Error).message}. Give a row such as {"hour":1320112800000,…}.`,
      { cause },
    );
  }
  throw new PerennialError('DataInvalid', `The input is ${json.slice(0, 80)}: a row, rows or {"inputs":[…]} is expected.`);
}

/** Elements of a tensor that are shown of a row. */
const mostElements = 4;

/** What a tensor, row-major or nested, holds of a row: its one element, or the first of those that it has. */
function rowText(
  data: readonly unknown[],
  row: number,
  { rows, show = cell }: { rows: number; show?: (value: unknown) => string },
): string {
  const each = Math.max(1, Math.floor(data.length / rows));
  const own = data.slice(row * each, (row + 1) * each).flat(Infinity);
  if (own.length === 1) return show(own[0]);
  const shown = own.slice(0, mostElements).map(show).join(', ');
  return own.length > mostElements ? `[${shown}, … ${formatCount(own.length, 'value')}]` : `[${shown}]`;
}

const formatted = (value: unknown): string => (typeof value === 'number' ? formatNumber(value) : cell(value));
const cell = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
