import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { DecideAnswer } from '../../../contracts/lifecycle.js';
import { PerennialError } from '../../../domain/errors.js';
import { formatTime } from '../../../domain/format.js';
import type { VersionDetails } from '../../api/answers.js';
import type { CliContext } from '../context.js';
import { type ImportedFacts, importedFacts, originFacts } from '../imported-facts.js';
import { filledOption } from '../options.js';
import { gateLines, metricLines, planTable } from '../output/evidence-lines.js';
import type { Output } from '../output/output.js';
import { trainedText } from '../output/record-lines.js';
import { signed } from '../signing.js';
import { examples, verb } from '../verb.js';

type Options = { readonly reason?: string; readonly by: string; readonly ticket?: string; readonly yes?: boolean };
type DecisionWord = 'approve' | 'reject';

/** `approve` and `reject`: show the request, ask, sign with the local person's key, tell what became of it. */
export function registerDecisions(program: Command, context: CliContext): void {
  register(program, context, 'approve');
  register(program, context, 'reject');
}

function register(program: Command, context: CliContext, word: DecisionWord): void {
  const command = program
    .command(`${word} <model> <version>`)
    .description(
      word === 'approve'
        ? 'approve a version that waits: shows its figures, gates and plan, asks, and signs with your key'
        : 'reject a version that waits: shows its figures, gates and plan, asks, and signs with your key',
    )
    .option('-r, --reason <text>', 'why; it goes into the audit', filledOption)
    .option('--by <name>', 'who decides', filledOption, context.person)
    .option('--ticket <id>', 'the ticket that this belongs to', filledOption)
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      examples(`${word} demand-forecast 1.0.1 --reason "${word === 'approve' ? 'better on the last week' : 'the summer is missing'}"`),
    );
  verb<Options>(command, context, async ({ out, args: [model = '', version = ''], options }) => {
    const api = context.api();
    const details = await api.version(model, version);
    showRequest(details, await importedFacts(api, details), out);
    const { by, ticket, yes } = options;
    if (yes !== true && !(await confirmed(context, out, `${capital(word)} ${model} ${version} as ${by}?`))) {
      out.answer({ kind: 'notSent', version }, () => out.line('Nothing was decided.'));
      return 1;
    }
    const decision = await signed(context, {
      model,
      decision: {
        version,
        decision: word,
        by,
        reason: options.reason ?? `${word === 'approve' ? 'approved' : 'rejected'} from the command line`,
        ...(ticket === undefined ? {} : { ticket }),
        ...(details.request === null ? {} : { evidenceDigest: details.request.evidenceDigest }),
      },
    });
    if (decision.signature === undefined)
      out.note(`There is no key of ${by} in ${context.places.keysFolder}: the decision goes unsigned and is recorded as claimed.`);
    const answer = await (await context.client()).decide(model, decision);
    out.answer(answer, () => out.line(tell(answer, { model, version, style: out.style })));
    return answer.kind === 'refused' ? 1 : 0;
  });
}

function showRequest(details: VersionDetails, imported: ImportedFacts | null, out: Output): void {
  const { model, version, request, evidence, risk, riskReason } = details;
  const canvas = { style: out.style, width: out.live ? out.width : Infinity };
  out.heading(`${model} ${version}`);
  out.facts([
    ['risk', `${risk}: ${riskReason}`],
    ['trained on', `${trainedText(details)}, run ${details.run}`],
    ...originFacts(imported),
    ...(request === null
      ? [['request', 'no approval was asked for this version'] as const]
      : [
          ['request', `${request.status}, asked by ${request.requestedBy}, until ${formatTime(request.expiresAtMs)}`] as const,
          ['approvers', request.approvers.length === 0 ? 'nobody is named' : request.approvers.join(', ')] as const,
          ['evidence', request.evidenceDigest] as const,
        ]),
  ]);
  if (details.metrics.length > 0) out.lines(['', ...metricLines(evidence ?? details, canvas)]);
  out.line();
  out.lines(gateLines(evidence?.gates ?? details.gates, canvas));
  if (evidence !== null) {
    out.line();
    out.line(`Rollout plan ${out.style.bold(evidence.plan.name)}:`);
    out.lines(planTable(evidence.plan, canvas));
  }
  out.line();
}

async function confirmed({ io }: CliContext, out: Output, question: string): Promise<boolean> {
  if (io.stdin.isTTY !== true) {
    throw new PerennialError('DataInvalid', 'There is nobody to ask here (stdin is no terminal). Add --yes to decide without a question.');
  }
  const lines = createInterface({ input: io.stdin, output: out.json ? io.stderr : io.stdout });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

function tell(answer: DecideAnswer, { model, version, style }: { model: string; version: string; style: Output['style'] }): string {
  switch (answer.kind) {
    case 'settled':
      return `${style.good(`${model} ${version} is ${answer.status}`)} (${answer.identity}).${answer.status === 'approved' ? ` Its rollout follows: ./perennial status ${model} --watch` : ''}`;
    case 'counted':
      return `Your approval counts (${answer.identity}); still missing: ${answer.missing.join(', ')}.`;
    case 'refused':
      return `${style.bad('Refused:')} ${answer.reason}`;
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
