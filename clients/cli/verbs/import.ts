import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { formatDuration } from '../../../domain/format.js';
import { isImported, wrongKind } from '../../../domain/model-definition.js';
import { type ImportFiles, type ImportProgress, uploadImport } from '../../client/import-model.js';
import { runOptions, tellAskedRun } from '../asked-run.js';
import type { CliContext } from '../context.js';
import { demandProtocolJson, type OnnxFile, readOnnxFile } from '../importing/import-files.js';
import { filledOption, momentHelp, momentOption } from '../options.js';
import { bytesText } from '../output/figures.js';
import type { Output } from '../output/output.js';
import { examples, verb } from '../verb.js';

type Options = {
  readonly framework?: string;
  readonly example?: string;
  readonly expect?: string;
  readonly tolerance?: number;
  readonly trainedTo?: number;
  readonly wait?: boolean;
  readonly reason?: string;
  readonly by: string;
};

/** `import`: brings an ONNX file from elsewhere as the next version of a model, and with `--wait` shows its run to its end. */
export function registerImport(program: Command, context: CliContext): void {
  const command = runOptions(
    program
      .command('import <model> <file>')
      .description('bring an ONNX file that was made elsewhere as the next version of a model whose versions are imported')
      .option('--framework <text>', 'what made it, such as "xgboost 3.1.2"; what the file says of itself when absent', filledOption)
      .option('--example <file>', 'a request that it answers, {"inputs":[…]} as JSON; one is made of its inputs when absent', filledOption)
      .option('--expect <file>', 'what the native model answered to the example, {"outputs":[…]} as JSON', filledOption)
      .option(
        '--tolerance <number>',
        'how far an answer may be from the expected one: relative, absolute below 1; default 1e-4',
        toleranceOption,
      )
      .option('--trained-to <time>', `event time before which it saw rows: ${momentHelp}`, momentOption),
    context,
  ).addHelpText(
    'after',
    examples(
      'import churn model.onnx --framework "scikit-learn 1.7.2" --wait',
      'import churn model.onnx --example request.json --expect answer.json --reason "trained on October"',
    ),
  );
  verb<Options>(command, context, async ({ out, args: [model = '', file = ''], options }) => {
    if (options.expect !== undefined && options.example === undefined)
      command.error('error: --expect is the answer to a request: give that too, with --example.');
    if (options.tolerance !== undefined && options.expect === undefined)
      command.error('error: --tolerance is about what is expected: give that too, with --example and --expect.');
    const onnx = await readOnnxFile(resolve(file));
    if (options.example !== undefined) await demandProtocolJson(resolve(options.example), 'inputs');
    if (options.expect !== undefined) await demandProtocolJson(resolve(options.expect), 'outputs');
    out.line(`${basename(onnx.path)}: ${bytesText(onnx.bytes)}, ${onnx.digest}`);

    const { definition } = await context.api().model(model);
    if (!isImported(definition)) {
      const answer = { kind: 'refused', reason: wrongKind(definition) } as const;
      return await tellAskedRun({ model, answer, wait: false, ahead: '', next: [] }, context, out);
    }
    const imported = await uploaded(
      onnx,
      {
        onnx: onnx.path,
        ...(options.framework === undefined ? {} : { framework: options.framework }),
        ...(options.example === undefined ? {} : { example: resolve(options.example) }),
        ...(options.expect === undefined ? {} : { expected: resolve(options.expect) }),
        ...(options.tolerance === undefined ? {} : { tolerance: options.tolerance }),
        ...(options.trainedTo === undefined ? {} : { trainedTo: new Date(options.trainedTo) }),
      },
      { context, out },
    );
    const client = await context.client();
    const answer = await client.startRetrain(model, {
      by: options.by,
      reason: options.reason ?? `${basename(onnx.path)} imported from the command line`,
      imported,
    });
    const next = [
      `Follow it with ./perennial status ${model} --watch`,
      `When its version waits for a decision: ./perennial approve ${model} <version>`,
    ];
    return await tellAskedRun({ model, answer, wait: options.wait === true, ahead: 'is looked at', next }, context, out);
  });
}

/** Sends the files, and says how far it is as long as it goes on. */
async function uploaded(onnx: OnnxFile, files: ImportFiles, { context, out }: { context: CliContext; out: Output }) {
  const names = { onnx: files.onnx, example: files.example, expected: files.expected } as Readonly<Record<ImportProgress['what'], string>>;
  const began = performance.now();
  let now: ImportProgress = { what: 'onnx', sent: 0, total: onnx.bytes };
  const screen = out.screen();
  screen.show(() => {
    const { what, sent, total } = now;
    const far = sent < total ? `${bytesText(sent)} of ${bytesText(total)}` : `${bytesText(total)} sent, being stored`;
    const line = `${screen.turning} uploads ${basename(names[what])}: ${far}`;
    return { lines: [line], plain: line };
  });
  try {
    const imported = await uploadImport(context.api(), files, (progress) => (now = progress));
    screen.say(`Uploaded in ${formatDuration(performance.now() - began)}.`);
    return imported;
  } finally {
    screen.end();
  }
}

function toleranceOption(text: string): number {
  const tolerance = Number(text);
  if (text.trim() === '' || !(tolerance >= 0 && tolerance <= 1))
    throw new InvalidArgumentError('a number from 0 to 1 is expected, such as 1e-4.');
  return tolerance;
}
