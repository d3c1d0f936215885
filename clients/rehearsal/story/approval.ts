import { setTimeout as delay } from 'node:timers/promises';
import { workflowIds } from '../../../contracts/ids.js';
import { formatTime } from '../../../domain/format.js';
import { gateLines, metricLines, planTable } from '../../cli/output/evidence-lines.js';
import { signed } from '../../cli/signing.js';
import type { VersionDetails } from '../../api/answers.js';
import type { LiveBlock } from '../../cli/output/screen.js';
import { askKey } from '../view/ask-key.js';
import type { Teller } from './teller.js';

/** How long a request may take to be written after its run began to wait for it. */
const requestWithinMs = 20_000;

/**
 * Asks the person at this terminal, unless `--yes` says to decide without a look. Resolves when it was decided here;
 * somebody else may be quicker, and `gone` says when nobody needs to be asked any more.
 */
export class Approval {
  readonly #teller: Teller;
  readonly #version: string;
  readonly #gone = new AbortController();
  #text = 'the approval request is being written';

  constructor(teller: Teller, version: string) {
    this.#teller = teller;
    this.#version = version;
  }

  block(mark: string): LiveBlock {
    const line = `${mark} ${this.#text}`;
    return { lines: [line], plain: line };
  }

  /** It was decided, here or elsewhere. */
  gone(): void {
    this.#gone.abort();
  }

  async ask(): Promise<void> {
    const { options, screen, context, definition } = this.#teller;
    const details = await this.#request();
    if (details === null) return;
    for (const line of requestLines(this.#teller, details)) screen.say(line);
    if (options.yes) return await this.#decide('approve', 'decided by --yes, without a look');
    for (const line of otherWays(this.#teller, this.#version)) screen.say(line);
    const question = `approve ${definition.name} ${this.#version}?`;
    if (context.io.stdin.isTTY !== true) {
      this.#text = `${question} It waits for one of the commands above`;
      return;
    }
    this.#text = `${question}  y approve   n reject   (or decide elsewhere)`;
    const key = await askKey(context.io.stdin, ['y', 'n'], AbortSignal.any([this.#gone.signal, this.#teller.signal]));
    if (key === 'y') await this.#decide('approve', 'approved at the rehearsal');
    if (key === 'n') await this.#decide('reject', 'rejected at the rehearsal');
  }

  async #request(): Promise<VersionDetails | null> {
    const { client, definition } = this.#teller;
    for (const end = performance.now() + requestWithinMs; performance.now() < end; await delay(200)) {
      if (this.#gone.signal.aborted) return null;
      const details = await client.api.version(definition.name, this.#version).catch(() => null);
      if (details?.request?.status === 'pending') return details;
    }
    return null;
  }

  async #decide(decision: 'approve' | 'reject', reason: string): Promise<void> {
    const { client, context, definition, screen, style, stack } = this.#teller;
    const model = definition.name;
    this.#text = `${decision === 'approve' ? 'approving' : 'rejecting'} ${model} ${this.#version}`;
    const details = await client.api.version(model, this.#version);
    const evidenceDigest = details.request?.evidenceDigest;
    const answer = await client.decide(
      model,
      await signed(context, {
        model,
        decision: {
          version: this.#version,
          decision,
          by: stack.person.name,
          reason,
          ...(evidenceDigest === undefined ? {} : { evidenceDigest }),
        },
      }),
    );
    if (answer.kind === 'refused') {
      screen.say(`${style.bad('✗')} the decision was refused: ${answer.reason}`);
      this.#text = 'it waits for a decision that counts; see the commands above';
    } else if (answer.kind === 'counted') {
      screen.say(`${style.good('✓')} counted; still missing: ${answer.missing.join(', ')}`);
      this.#text = `it waits for ${answer.missing.join(', ')}`;
    }
  }
}

function requestLines({ style, screen }: Teller, details: VersionDetails): string[] {
  const { model, version, request, evidence, risk, riskReason } = details;
  const canvas = { style, width: screen.live ? screen.columns : Infinity };
  return [
    '',
    style.bold(`${model} ${version} waits for approval`),
    `risk ${risk}: ${riskReason}`,
    ...(request === null
      ? []
      : [`asked of ${request.approvers.join(', ') || 'nobody (the policy names no approver)'} until ${formatTime(request.expiresAtMs)}`]),
    '',
    ...metricLines(evidence ?? details, canvas),
    '',
    ...gateLines(evidence?.gates ?? details.gates, canvas),
    ...(evidence === null ? [] : ['', `rollout plan ${style.bold(evidence.plan.name)}`, ...planTable(evidence.plan, canvas)]),
    '',
  ];
}

function otherWays({ context, definition, stack, style }: Teller, version: string): string[] {
  const model = definition.name;
  const decision = JSON.stringify({ version, by: stack.person.name, reason: 'looks right' });
  const signal = context.temporalCommand(`workflow signal --workflow-id ${workflowIds.model(model)} --name approve --input '${decision}'`);
  return [
    'In another terminal the same by one of',
    `  ./perennial approve ${model} ${version} ${style.dim('(or reject; signed with your key)')}`,
    `  ${signal}`,
    '',
  ];
}
